/*
 * A merchant's server: makes orders and hears of payments. Java 17 or newer, no library needed.
 *
 *   PAY_API_BASE=https://…  PAY_API_KEY=…  PAY_WEBHOOK_SECRET=…  PAY_SUB_APPID=wx…  java Server.java
 *
 *   POST /buy       {"order_no": "C1001", "item": "latte"}  ->  {"order_id": "ord_…"} for pay.js
 *   POST /webhook   events of the payment platform
 *
 * Java has no JSON of its own: what is read here are single text fields. Use your JSON library in their place.
 */

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public final class Server {
  private record Item(String description, long amount) {}

  private static final String API_BASE = setting("PAY_API_BASE").replaceAll("/+$", "");
  private static final String API_KEY = setting("PAY_API_KEY");
  private static final String WEBHOOK_SECRET = setting("PAY_WEBHOOK_SECRET");
  private static final String SUB_APPID = setting("PAY_SUB_APPID");
  private static final int PORT = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));

  // In your shop these come from your own database. Never take an amount from the client.
  private static final Map<String, Item> CATALOGUE = Map.of("latte", new Item("拿铁", 1280));
  // Event ids; in your shop: a table with a unique column.
  private static final Set<String> SEEN = ConcurrentHashMap.newKeySet();

  private static final long TOLERANCE_S = 300;
  private static final int MAX_BODY_BYTES = 256 * 1024;
  private static final HttpClient HTTP =
      HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

  private Server() {}

  public static void main(String[] arguments) throws IOException {
    InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), PORT);
    HttpServer server = HttpServer.create(address, 0);
    server.createContext("/buy", Server::buy);
    server.createContext("/webhook", Server::hear);
    server.setExecutor(Executors.newFixedThreadPool(8));
    server.start();
  }

  /** Make the order, or get the same one again: the order number decides. Amounts are whole fen. */
  private static HttpResponse<String> createOrder(String orderNo, Item item)
      throws IOException, InterruptedException {
    String body =
        "{\"merchant_order_no\":%s,\"amount\":%d,\"description\":%s,\"trade_type\":\"JSAPI\",\"sub_appid\":%s}"
            .formatted(quoted(orderNo), item.amount(), quoted(item.description()), quoted(SUB_APPID));
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(API_BASE + "/v1/orders"))
            .timeout(Duration.ofSeconds(20))
            .header("Authorization", "Bearer " + API_KEY)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
    return HTTP.send(request, HttpResponse.BodyHandlers.ofString());
  }

  /** Whether signature and time are right (Standard Webhooks). */
  private static boolean isGenuine(byte[] body, String id, String sentAt, String signatures) {
    if (!sentAt.matches("[0-9]{1,12}")
        || Math.abs(Instant.now().getEpochSecond() - Long.parseLong(sentAt)) > TOLERANCE_S) {
      return false;
    }
    byte[] expected;
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      byte[] secret = Base64.getDecoder().decode(WEBHOOK_SECRET.replaceFirst("^whsec_", ""));
      mac.init(new SecretKeySpec(secret, "HmacSHA256"));
      mac.update((id + "." + sentAt + ".").getBytes(StandardCharsets.UTF_8));
      expected = Base64.getEncoder().encode(mac.doFinal(body));
    } catch (GeneralSecurityException impossible) {
      throw new IllegalStateException(impossible);
    }
    for (String given : signatures.split(" ")) {
      if (given.startsWith("v1,")
          && MessageDigest.isEqual(given.substring(3).getBytes(StandardCharsets.UTF_8), expected)) {
        return true;
      }
    }
    return false;
  }

  private static void hear(HttpExchange exchange) throws IOException {
    byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY_BYTES);
    String id = header(exchange, "webhook-id");
    String sentAt = header(exchange, "webhook-timestamp");
    if (!isGenuine(body, id, sentAt, header(exchange, "webhook-signature"))) {
      answer(exchange, 401, "{\"error\":\"signature or time is wrong\"}");
      return;
    }
    // Each event once; the platform sends it again until it gets a 2xx.
    String event = new String(body, StandardCharsets.UTF_8);
    if (SEEN.add(id) && "payment.succeeded".equals(textOf(event, "type"))) {
      System.out.println("paid " + textOf(event, "merchant_order_no"));
    }
    answer(exchange, 204, "");
  }

  private static void buy(HttpExchange exchange) throws IOException {
    byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY_BYTES);
    String wanted = new String(body, StandardCharsets.UTF_8);
    Item item = CATALOGUE.get(textOf(wanted, "item"));
    if (item == null) {
      answer(exchange, 422, "{\"error\":\"no such item\"}");
      return;
    }
    HttpResponse<String> made;
    try {
      made = createOrder(textOf(wanted, "order_no"), item);
    } catch (IOException unreachable) {
      answer(exchange, 503, "{\"error\":\"no connection; ask again with the same order_no\"}");
      return;
    } catch (InterruptedException stopping) {
      Thread.currentThread().interrupt();
      answer(exchange, 503, "{\"error\":\"stopping\"}");
      return;
    }
    if (made.statusCode() >= 300) {
      answer(exchange, 502, "{\"error\":" + quoted(textOf(made.body(), "code")) + "}");
    } else {
      answer(exchange, 200, "{\"order_id\":" + quoted(textOf(made.body(), "id")) + "}");
    }
  }

  private static void answer(HttpExchange exchange, int status, String body) throws IOException {
    byte[] content = body.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, content.length == 0 ? -1 : content.length);
    exchange.getResponseBody().write(content);
    exchange.close();
  }

  private static String header(HttpExchange exchange, String name) {
    String value = exchange.getRequestHeaders().getFirst(name);
    return value == null ? "" : value;
  }

  /** Return the first text field of this name, "" when there is none. */
  private static String textOf(String json, String name) {
    Matcher found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"\\\\]*)\"").matcher(json);
    return found.find() ? found.group(1) : "";
  }

  private static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char each : text.toCharArray()) {
      if (each == '"' || each == '\\') {
        out.append('\\').append(each);
      } else if (each < ' ') {
        out.append("\\u%04x".formatted((int) each));
      } else {
        out.append(each);
      }
    }
    return out.append('"').toString();
  }

  private static String setting(String name) {
    String value = System.getenv(name);
    if (value == null || value.isEmpty()) {
      throw new IllegalStateException(name + " is not set");
    }
    return value;
  }
}
