// Compiled, never run: what a TypeScript mini-program writes, and what it must not be able to write.
import { createClient, PayError, type Order, type PayResult } from './pay';

const client = createClient({ apiBase: 'https://pay.example.com', tenantId: 'ten_1', subAppid: 'wx1', mode: 'test' });

export async function buy(orderId: string): Promise<string> {
  try {
    const result: PayResult = await client.pay({ orderId });
    const order: Order | null = result.order;
    const second = await client.pay({ priceCode: 'latte', quantity: 2, idempotencyKey: 'C1001' });
    const raw = await client.request<Order>({ path: `/orders/${orderId}` });
    return `${result.status} ${order ? order.amount : 0} ${second.userCanceledHint} ${raw.pay_params?.paySign}`;
  } catch (error) {
    return error instanceof PayError ? `${error.code} ${error.requestId}` : 'unknown';
  }
}

export function show(order: Order): void {
  wx.showToast({ title: order.status === 'paid' ? '支付成功' : order.status });
}

// @ts-expect-error a client never names an amount (M2)
client.pay({ priceCode: 'latte', amount: 1 });
// @ts-expect-error either an order or a price
client.pay({ orderId: 'ord_1', priceCode: 'latte' });
// @ts-expect-error a client needs all of its configuration
createClient({ apiBase: 'https://pay.example.com' });
