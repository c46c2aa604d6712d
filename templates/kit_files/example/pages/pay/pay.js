'use strict';

const { createClient } = require('../../wxsp/pay.js');
const config = require('../../wxsp/config.js');

const client = createClient(config);
const WORDS = {
  paid: '支付成功',
  pending: '结果确认中，请稍后在订单页查看',
  closed: '订单已关闭，请重新下单',
  failed: '下单失败，请重新下单',
};

Page({
  data: { mode: config.mode, orderId: '', priceCode: '', quantity: '1', busy: false, message: '' },

  onInput(event) {
    this.setData({ [event.currentTarget.dataset.field]: event.detail.value.trim() });
  },

  // Your own server made the order and told the page its id: the usual way.
  payOrder() {
    this.pay({ orderId: this.data.orderId });
  },

  // For merchants without a server: the price comes from the price list, never from here.
  payPrice() {
    this.pay({ priceCode: this.data.priceCode, quantity: Number(this.data.quantity) });
  },

  async pay(what) {
    this.setData({ busy: true, message: '' });
    try {
      const result = await client.pay(what);
      const canceled = result.userCanceledHint && result.status === 'pending';
      this.setData({ message: canceled ? '支付未完成，可以再次支付' : WORDS[result.status] });
    } catch (error) {
      this.setData({ message: `${error.message} (${error.requestId || error.code})` });
    } finally {
      this.setData({ busy: false });
    }
  },
});
