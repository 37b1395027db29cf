//! The guard as a browser meets it: whole requests through routes and layers.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use records::ids::StaffId;
use records::staff::{Action, Role, may};
use tower::ServiceExt;

use super::*;

/// Tokens of the tests: a role's position in the list, `-locked`, or `broken`.
struct Fixed;

impl Sessions for Fixed {
    fn look_up<'a>(
        &'a self,
        token: &'a str,
        _wake: Wake,
    ) -> Answer<'a, Result<Option<SignedIn>, SessionsDown>> {
        Box::pin(async move {
            if token == "broken" {
                return Err(SessionsDown("disk".into()));
            }
            let (number, locked) = match token.strip_suffix("-locked") {
                Some(number) => (number, true),
                None => (token, false),
            };
            let role = number
                .parse::<usize>()
                .ok()
                .and_then(|at| Role::ALL.get(at).copied());
            Ok(role.map(|role| SignedIn {
                staff: StaffId([1; 8]),
                name: "李医生".into(),
                roles: vec![role],
                locked,
                token: token.to_owned(),
            }))
        })
    }
}

fn routes() -> Routes<()> {
    let routes = Routes::new(Arc::new(Fixed))
        .get("/open", Access::Open, || async { "open" })
        .get("/mine", Access::SignedIn, |person: SignedIn| async move {
            person.name
        })
        .get("/unlock", Access::LockedToo, || async { "pin" })
        .get_background("/live", Access::SignedIn, || async { "stream" })
        .get("/kiosk", Access::Kiosk, || async { "kiosk" })
        .get("/panic", Access::Open, || async {
            let text = String::from("王秀英");
            text[1..].to_owned()
        })
        .post("/save", Access::SignedIn, |body: String| async move { body })
        .post_up_to(
            "/upload",
            Access::Open,
            3 * 1024 * 1024,
            |body: String| async move { body.len().to_string() },
        );
    Action::ALL
        .iter()
        .enumerate()
        .fold(routes, |routes, (at, action)| {
            routes.get(&format!("/act/{at}"), Access::May(*action), || async { "done" })
        })
}

fn site() -> Router {
    layers(routes().finish().0)
}

fn asked(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "clinic.internal");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn get(path: &str, headers: &[(&str, &str)]) -> Response {
    site()
        .oneshot(asked(Method::GET, path, headers, ""))
        .await
        .unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 4 << 20).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn each_role_reaches_exactly_what_the_table_allows() {
    for (number, role) in Role::ALL.iter().enumerate() {
        let cookie = format!("clinic_session={number}");
        for (at, action) in Action::ALL.iter().enumerate() {
            let answered = get(&format!("/act/{at}"), &[("cookie", &cookie)]).await.status();
            let expected = if may(*role, *action) {
                StatusCode::OK
            } else {
                StatusCode::FORBIDDEN
            };
            assert_eq!(answered, expected, "{role:?} {action:?}");
        }
    }
}

#[tokio::test]
async fn nobody_and_locked_screens_are_led_to_their_door_and_back() {
    let answered = get("/mine?x=1", &[]).await;
    assert_eq!(answered.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        answered.headers()[header::LOCATION],
        "/sign-in?next=/mine%3Fx%3D1"
    );
    let locked = [("cookie", "clinic_session=0-locked")];
    assert_eq!(
        get("/mine", &locked).await.headers()[header::LOCATION],
        "/unlock?next=/mine"
    );
    assert_eq!(get("/unlock", &locked).await.status(), StatusCode::OK);
    assert_eq!(get("/open", &locked).await.status(), StatusCode::OK);
    assert_eq!(get("/live", &locked).await.status(), StatusCode::UNAUTHORIZED);
    let part = [
        ("hx-request", "true"),
        ("hx-current-url", "https://clinic.internal/patients?q=w"),
    ];
    let answered = get("/mine", &part).await;
    assert_eq!(
        answered.headers()["hx-redirect"],
        "/sign-in?next=/patients%3Fq%3Dw"
    );
}

#[tokio::test]
async fn a_kiosk_page_needs_a_kiosk_screen() {
    let mut request = asked(Method::GET, "/kiosk", &[], "");
    assert_eq!(
        site().oneshot(request).await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    for (peer, expected) in [
        ("127.0.0.1:9", StatusCode::OK),
        ("10.0.0.7:9", StatusCode::FORBIDDEN),
    ] {
        request = asked(Method::GET, "/kiosk", &[], "");
        request
            .extensions_mut()
            .insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        assert_eq!(
            site().oneshot(request).await.unwrap().status(),
            expected,
            "{peer}"
        );
    }
}

#[tokio::test]
async fn a_panic_answers_with_a_page_and_a_number_and_quotes_nothing() {
    let answered = get("/panic", &[("cookie", "lang=en")]).await;
    assert_eq!(answered.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let page = text(answered).await;
    assert!(page.contains("Error number") && !page.contains("王秀英"));
}

#[tokio::test]
async fn errors_are_drawn_in_the_persons_language() {
    let page = text(get("/nowhere", &[]).await).await;
    assert!(
        page.contains("没有这个页面") && page.contains("<title>错误"),
        "{page}"
    );
    assert!(
        text(get("/nowhere", &[("cookie", "lang=en")]).await)
            .await
            .contains("There is no such page")
    );
    let part = text(get("/nowhere", &[("hx-request", "true")]).await).await;
    assert!(part.starts_with("<section") && part.contains("role=\"alert\""));
    let answered = get("/mine", &[("cookie", "clinic_session=broken")]).await;
    assert_eq!(answered.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let answered = site()
        .oneshot(asked(Method::POST, "/open", &[], ""))
        .await
        .unwrap();
    assert_eq!(answered.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn another_site_cannot_send_forms() {
    let cookie = ("cookie", "clinic_session=0");
    let cases: [(&[(&str, &str)], StatusCode); 5] = [
        (&[cookie, ("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        (
            &[cookie, ("origin", "http://evil.example")],
            StatusCode::FORBIDDEN,
        ),
        (&[cookie, ("sec-fetch-site", "same-origin")], StatusCode::OK),
        (&[cookie, ("origin", "http://clinic.internal")], StatusCode::OK),
        (&[cookie], StatusCode::OK),
    ];
    for (headers, expected) in cases {
        let answered = site()
            .oneshot(asked(Method::POST, "/save", headers, "x"))
            .await
            .unwrap();
        assert_eq!(answered.status(), expected, "{headers:?}");
        if expected == StatusCode::FORBIDDEN {
            assert!(text(answered).await.contains("请求被拒绝"));
        }
    }
}

#[tokio::test]
async fn bodies_are_bounded_by_route() {
    let big = "x".repeat(2 * 1024 * 1024);
    let cookie = [("cookie", "clinic_session=0")];
    let answered = site()
        .oneshot(asked(Method::POST, "/save", &cookie, &big))
        .await
        .unwrap();
    assert_eq!(answered.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(text(answered).await.contains("内容太大"));
    let answered = site()
        .oneshot(asked(Method::POST, "/upload", &[], &big))
        .await
        .unwrap();
    assert_eq!(text(answered).await, big.len().to_string());
}

#[tokio::test]
async fn every_answer_carries_the_guards_headers_and_pages_are_not_stored() {
    for path in ["/open", "/nowhere", "/panic", "/ping"] {
        let headers = get(path, &[]).await.headers().clone();
        assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{path}");
        assert!(
            headers.contains_key(header::CONTENT_SECURITY_POLICY) && headers.contains_key("x-frame-options")
        );
    }
    let style = get(
        crate::assets::address("clinic.css"),
        &[("accept-encoding", "gzip")],
    )
    .await;
    assert!(
        style.headers()[header::CACHE_CONTROL]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(style.headers()[header::CONTENT_ENCODING], "gzip");
}

#[tokio::test]
async fn a_language_is_kept_and_leads_back_inside_the_site() {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answered = site()
        .oneshot(asked(Method::POST, "/language", &form, "to=en&back=%2Fpatients"))
        .await
        .unwrap();
    assert_eq!(answered.headers()[header::LOCATION], "/patients");
    assert!(
        answered.headers()[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .starts_with("lang=en;")
    );
    let answered = site()
        .oneshot(asked(
            Method::POST,
            "/language",
            &form,
            "to=xx&back=https%3A%2F%2Fevil",
        ))
        .await
        .unwrap();
    assert_eq!(answered.headers()[header::LOCATION], "/");
    assert!(!answered.headers().contains_key(header::SET_COOKIE));
}

#[test]
fn the_table_of_routes_names_each_access() {
    let (_, lines) = routes().finish();
    let open: Vec<_> = lines
        .iter()
        .filter(|line| line.access == Access::Open)
        .map(|line| line.path.as_str())
        .collect();
    assert_eq!(open, ["/open", "/panic", "/upload", "/ping", "/language"]);
}

#[test]
fn a_return_address_never_leaves_the_site() {
    assert_eq!(safe_return("/patients/ab?x=1"), "/patients/ab?x=1");
    for foreign in [
        "//evil",
        "https://evil",
        "/\\evil",
        "",
        "/a\nb",
        "javascript:x",
        "/\u{9}/evil",
    ] {
        assert_eq!(safe_return(foreign), "/", "{foreign:?}");
    }
}
