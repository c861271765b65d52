// A shop through Java's own HttpClient, which speaks HTTP/2: orders placed, read, changed, listed in pages, deleted. The proxy is what
// `ProxySelector.getDefault()` says.
//
// New in each run: the bearer token, an order's reference (which the answer carries back).

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;

public class JavaShop {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static final String TOKEN = UUID.randomUUID().toString();

    public static void main(String[] args) throws Exception {
        List<String> made = new ArrayList<>();
        for (String item : List.of("tea", meant(1, "milk", "cream"), "bread")) {
            String own = UUID.randomUUID().toString();
            String body = "{\"item\":\"%s\",\"amount\":3,\"reference\":\"%s\"}".formatted(item, own);
            HttpResponse<String> answer = ask("POST", "/orders", body);
            made.add(field(answer.body(), "id"));
            String location = answer.headers().firstValue("location").orElse("nowhere");
            show("placed", answer.version(), answer.statusCode(), location, own.equals(field(answer.body(), "reference")));
        }
        var reading = made.stream().map(id -> CLIENT.sendAsync(request("GET", "/orders/" + id, null), BodyHandlers.ofString())).toList();
        for (var one : reading) {
            show("read", one.get().version(), field(one.get().body(), "item"), one.get().headers().firstValue("etag").orElse("none"));
        }
        show("changed", ask("PUT", "/orders/" + made.get(0), "{\"amount\":4}").statusCode());
        show("read", ask("GET", "/orders/" + made.get(0), null).body().contains("\"amount\":4"));
        show("page", ask("GET", "/orders?limit=2", null).body(), ask("GET", "/orders?limit=2&after=2", null).body());
        show("none", ask("GET", "/orders/none", null).statusCode(), ask("DELETE", "/orders/" + made.get(1), null).statusCode());
    }

    private static HttpResponse<String> ask(String method, String path, String body) throws Exception {
        return CLIENT.send(request(method, path, body), BodyHandlers.ofString());
    }

    private static HttpRequest request(String method, String path, String body) {
        var publisher = body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body);
        return HttpRequest.newBuilder(URI.create("https://shop.example" + path))
            .header("Authorization", "Bearer " + TOKEN)
            .header("Content-Type", "application/json")
            .method(method, publisher)
            .build();
    }

    /** As `meant` in kit.py: the value, or what it is changed to in a run that must miss. */
    private static String meant(int number, String value, String other) {
        return String.valueOf(number).equals(System.getenv("CHANGE")) ? other : value;
    }

    private static String field(String json, String name) {
        var found = Pattern.compile("\"" + name + "\":\"([^\"]*)\"").matcher(json);
        return found.find() ? found.group(1) : null;
    }

    private static void show(Object... values) {
        System.out.println(String.join(" ", java.util.Arrays.stream(values).map(String::valueOf).toList()));
    }
}
