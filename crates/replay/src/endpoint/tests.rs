use super::*;
use understudy_core::exchange::Response;

fn step(number: u64, method: &str, path: &str) -> Exchange {
    Exchange {
        time: number * 1000,
        duration: 5000,
        request: Request { method: method.into(), path: path.into(), ..Request::default() },
        response: Some(Response { status: 200, ..Response::default() }),
        ..Exchange::default()
    }
}

#[test]
fn requests_to_one_endpoint_are_grouped_and_goals_have_their_own_rows() {
    let steps = [
        step(0, "GET", "/orders/17?full=1"),
        step(1, "GET", "/orders/23"),
        step(2, "POST", "/orders"),
        step(3, "GET", "/orders"),
    ];
    let asked_for = Requests::parse("* /orders/**").expect("requests");
    let mut endpoints = Endpoints::new(&steps, std::slice::from_ref(&asked_for));
    let ms = Duration::from_millis;
    endpoints.add(0, ms(10), Some(ms(2)), false);
    endpoints.add(1, ms(20), Some(ms(4)), true);
    endpoints.add(2, ms(30), None, true);
    let rows = endpoints.rows();
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let counts = (row.sent, row.same, row.different, row.errors);
            let of = |figures: Option<crate::report::Figures>| figures.map(|figures| figures.count);
            (format!("{} {}", row.method, row.path), counts, of(row.recorded), of(row.replayed))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("GET /orders/*".to_owned(), (2, 1, 1, 0), Some(2), Some(2)),
            ("GET /orders".to_owned(), (0, 0, 0, 0), Some(1), None),
            ("POST /orders".to_owned(), (1, 0, 0, 1), Some(1), None),
            ("* /orders/**".to_owned(), (3, 1, 1, 1), Some(4), Some(2)),
        ]
    );
    assert_eq!(find(&rows, &asked_for).map(|row| row.sent), Some(3));
    assert_eq!(find(&rows, &Requests::parse("GET /orders").expect("requests")), None, "nobody asked for it");
    assert!(Requests::parse("GET").is_err() && Requests::parse("GET /a b").is_err());
}

#[test]
fn largest_endpoints_are_kept_above_the_maximum() {
    let mut steps: Vec<_> = (0..300).map(|n| step(n, "GET", &format!("/page-{}", letters(n)))).collect();
    steps.extend([step(300, "GET", "/often"), step(301, "GET", "/often")]);
    let endpoints = Endpoints::new(&steps, &[]);
    let rows = endpoints.rows();
    assert_eq!((rows.len(), rows[0].path.as_str()), (ENDPOINTS, "/often"));
}

/// A word without digits, by which nothing looks like an identifier.
fn letters(number: u64) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}
