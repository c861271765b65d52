//! The list of exchanges: filters, order, pages; and one exchange.

use crate::site::{Site, exchange, snapshot};

/// The lines of the exchanges on a page, in its order.
fn lines(page: &str) -> Vec<u64> {
    let (_, list) = page.split_once("<tbody>").unwrap_or_default();
    let links = list.split("/traffic/").skip(1).map(|after| after.split('"').next().unwrap_or_default());
    links.map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn exchange_links_to_the_calls_that_it_caused() {
    use understudy_core::exchange::Direction;
    use understudy_core::headers::Headers;
    let trace = |trace: &str| {
        Headers::from_pairs([("traceparent", format!("00-{}-00f067aa0ba902b7-01", trace.repeat(16)))])
    };
    let site = Site::new(|folder| {
        let call = |path: &str, id: &str, direction| {
            let mut exchange = exchange("http://a.test", "GET", path, 200, "{}");
            (exchange.request.headers, exchange.direction) = (trace(id), direction);
            exchange
        };
        let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
        snapshot(
            folder,
            "s",
            &[call("/in", "ab", inbound), call("/out", "ab", outbound), call("/else", "cd", outbound)],
        );
    })
    .await;
    let section = async |line: u64, title: &str| {
        let page = site.page(&format!("/s/s/traffic/{line}")).await;
        page.split_once(&format!("<h2>{title}</h2>"))
            .map(|(_, after)| after.split("</section>").next().unwrap().to_owned())
    };
    let caused = section(1, "It caused").await.unwrap();
    assert!(caused.contains("/s/s/traffic/2\">GET /out") && !caused.contains("/else"), "{caused}");
    let cause = section(2, "It was caused by").await.unwrap();
    assert!(cause.contains("/s/s/traffic/1\">GET /in"), "{cause}");
    assert_eq!(section(3, "It was caused by").await, None);
}

#[tokio::test]
async fn list_is_filtered_and_ordered() {
    let site = Site::shop().await;
    let check = async |query: &str, expect: &[u64]| {
        assert_eq!(lines(&site.page(&format!("/s/shop/traffic?{query}")).await), expect, "{query}");
    };
    check("", &[1, 2, 3]).await;
    check("backend=https%3A%2F%2Fapi.stripe.com", &[1, 2]).await;
    check("backend=https%3A%2F%2Fnobody.test", &[]).await;
    check("operation=post", &[2]).await;
    check("operation=%2Fv1%2Fcharges", &[1, 2]).await;
    check("status=402", &[2]).await;
    check("status=5xx", &[3]).await;
    check("status=failed", &[2, 3]).await;
    check("direction=inbound", &[]).await;
    check("text=DECLINED", &[2]).await;
    check("text=stock.test", &[3]).await;
    check("text=limit%3D3&status=2xx", &[1]).await;
    check("text=limit%3D3&status=4xx", &[]).await;
    check("sort=newest", &[3, 2, 1]).await;
    check("sort=slowest&operation=GET", &[3, 1]).await;
    check("page=99", &[1, 2, 3]).await;
    check("page=-1&status=nonsense&sort=nonsense&direction=nonsense", &[1, 2, 3]).await;
}

#[tokio::test]
async fn pages_have_fifty_rows_and_links() {
    let site = Site::new(|folder| {
        let many: Vec<_> =
            (0..120).map(|n| exchange("https://api.test", "GET", &format!("/n/{n}"), 200, "{}")).collect();
        snapshot(folder, "many", &many);
    })
    .await;
    let page = site.page("/s/many/traffic").await;
    assert_eq!(lines(&page), (1..=50).collect::<Vec<_>>());
    assert!(
        page.contains("Page 1 of 3") && page.contains("traffic?page=2\"") && !page.contains("rel=\"prev\""),
        "{page}"
    );
    let page = site.page("/s/many/traffic?page=3&operation=n").await;
    assert_eq!(lines(&page), (101..=120).collect::<Vec<_>>());
    assert!(page.contains("operation=n&#38;page=2") && !page.contains("rel=\"next\""), "{page}");
    // The search for a text continues where the page before has ended.
    let page = site.page("/s/many/traffic?text=%2Fn%2F").await;
    assert!(lines(&page).len() == 50 && page.contains("text=%2Fn%2F&#38;after=50"), "{page}");
    assert_eq!(
        lines(&site.page("/s/many/traffic?text=%2Fn%2F&after=100").await),
        (101..=120).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn exchange_page_has_all_parts() {
    let site = Site::shop().await;
    let page = site.page("/s/shop/traffic/1").await;
    for text in [
        "GET /v1/charges?limit=3",
        "https://api.stripe.com",
        "1.0 ms",
        "content-type",
        "Stripe",
        "limit=3",
        "2.50",
        "SHA-1",
        "complete",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(
        page.contains("curl --globoff")
            && page.contains("--url &#39;https://api.stripe.com/v1/charges?limit=3&#39;"),
        "{page}"
    );
    assert!(page.contains("rel=\"next\" href=\"/s/shop/traffic/2\"") && !page.contains("rel=\"prev\""));
    let page = site.page("/s/shop/traffic/3").await;
    assert!(page.contains("rel=\"prev\" href=\"/s/shop/traffic/2\"") && !page.contains("rel=\"next\""));
}

#[tokio::test]
async fn the_list_follows_the_file() {
    let site = Site::shop().await;
    assert_eq!(lines(&site.page("/s/shop/traffic").await).len(), 3);
    let lines_before = site.read("shop/exchanges.ndjson");
    let shorter: Vec<_> = lines_before.lines().take(2).map(|line| format!("{line}\n")).collect();
    std::fs::write(site.path("shop/exchanges.ndjson"), shorter.concat()).unwrap();
    assert_eq!(lines(&site.page("/s/shop/traffic").await).len(), 2);
    assert_eq!(site.get("/s/shop/traffic/3").await.status, 404);
}
