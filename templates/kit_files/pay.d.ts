// Types of pay.js. For the global `wx`: npm install --save-dev miniprogram-api-typings@5
/// <reference types="miniprogram-api-typings" />

export const version: string;

/** Public values only, as in config.js. */
export interface Config {
  /** Address of the API without /v1, such as "https://pay.example.com". */
  readonly apiBase: string;
  /** ten_… */
  readonly tenantId: string;
  /** AppID of the mini-program that runs this code. */
  readonly subAppid: string;
  readonly mode: 'test' | 'live';
}

export type OrderStatus =
  | 'created'
  | 'submitting'
  | 'pending'
  | 'closing'
  | 'paid'
  | 'closed'
  | 'failed'
  | 'revoked';

/** Amounts are whole fen; times are RFC 3339 with +08:00. */
export interface Order {
  readonly id: string;
  readonly object: 'order';
  readonly mode: 'test' | 'live';
  readonly status: OrderStatus;
  readonly refund_status: 'none' | 'partial' | 'full';
  readonly anomaly: string | null;
  readonly amount: number;
  readonly refunded_amount: number;
  readonly refunding_amount: number;
  readonly currency: 'CNY';
  readonly description: string;
  readonly merchant_order_no: string;
  readonly out_trade_no: string | null;
  readonly transaction_id: string | null;
  readonly sub_appid: string | null;
  readonly trade_type: string;
  readonly source: string;
  readonly profit_sharing: boolean;
  readonly created_at: string;
  readonly expires_at: string;
  readonly paid_at: string | null;
  readonly close_requested_at: string | null;
  readonly attach: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly pay_params?: PayParams;
}

/** What wx.requestPayment is called with; made for one payment by the server. */
export type PayParams = Pick<
  WechatMiniprogram.RequestPaymentOption,
  'timeStamp' | 'nonceStr' | 'package' | 'signType' | 'paySign'
>;

/** An order that the merchant's server made, or one from the price list: never an amount. */
export type PayTarget =
  | { readonly orderId: string; readonly priceCode?: undefined }
  | {
      readonly priceCode: string;
      /** 1 when left out. */
      readonly quantity?: number;
      /** Makes repeating the same purchase safe across restarts; one of its own when left out. */
      readonly idempotencyKey?: string;
      readonly orderId?: undefined;
    };

export interface PayResult {
  /** What the server knows; `pending` is not a failure: show the order later, or wait for the webhook. */
  readonly status: 'paid' | 'pending' | 'closed' | 'failed';
  /** The cashier said "cancel". Only for wording: it says so for wrong parameters too. */
  readonly userCanceledHint: boolean;
  /** null when the server could not be reached. */
  readonly order: Order | null;
}

export interface RequestOptions {
  readonly method?: 'GET' | 'POST';
  /** Below /v1/mini/{tenantId}, such as "/orders/ord_…". */
  readonly path: string;
  readonly data?: WechatMiniprogram.IAnyObject;
  /** A POST is repeated after a broken connection only with a key. */
  readonly idempotencyKey?: string;
  /** How often to try altogether; three times, or once for a POST without a key. */
  readonly tries?: number;
}

export class PayError extends Error {
  /** The API's stable word, or `network`, `login`, `wrong_appid`, `invalid_argument`. */
  readonly code: string;
  /** HTTP status, 0 without an answer. */
  readonly status: number;
  /** Name it when you report a problem. */
  readonly requestId: string;
  readonly order: Order | null;
  readonly retryAfterMs: number;
}

export interface Client {
  /** Resolve with a session token; ten calls at once cause one wx.login. */
  login(): Promise<string>;
  /** Call the API with the session; renewed once when it has expired. Rejects with PayError. */
  request<T = WechatMiniprogram.IAnyObject>(options: RequestOptions): Promise<T>;
  /** Pay and find out what became of it. Rejects with PayError only before the cashier opens. */
  pay(what: PayTarget): Promise<PayResult>;
  getOrder(orderId: string, options?: { readonly wait?: number; readonly tries?: number }): Promise<Order>;
}

/** Throws PayError when `config` is incomplete. */
export function createClient(config: Config): Client;
