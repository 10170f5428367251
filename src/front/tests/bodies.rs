//! How a body arrives, and when it is read at all.

use super::*;

/// What a body does next.
enum Step {
    Data(Bytes),
    After(Duration),
    Trailers,
    Breaks,
    /// Nothing more comes, and no end either.
    Stalls,
}

use Step::{After, Breaks, Data, Stalls, Trailers};

/// A body that follows a script and notes when it is first asked.
struct Script {
    steps: VecDeque<Step>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    was_polled: Arc<Mutex<bool>>,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), waiting: None, was_polled: Arc::default() }
    }
}

impl HttpBody for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        *self.was_polled.lock().unwrap() = true;
        loop {
            if let Some(waiting) = &mut self.waiting {
                std::task::ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Trailers) => return Poll::Ready(Some(Ok(Frame::trailers(http::HeaderMap::new())))),
                Some(Breaks) => return Poll::Ready(Some(Err("reset by peer"))),
                Some(After(time)) => self.waiting = Some(Box::pin(sleep_until(Instant::now() + time))),
                Some(Stalls) => self.waiting = Some(Box::pin(pending())),
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn data(text: &str) -> Step {
    Data(Bytes::from(text.to_owned()))
}

/// A JSON body of exactly this many bytes.
fn sized(size: usize) -> String {
    format!(r#"{{"string":"{}"}}"#, "x".repeat(size - 13))
}

async fn post(setting: &Setting, headers: &[(&str, &str)], steps: impl IntoIterator<Item = Step>) -> Seen {
    setting.send(with_body("POST", "/echo", headers, Script::new(steps))).await
}

const TOO_LARGE: &str = "The request body is too large: at most 1000 bytes are accepted.";
const TOO_SLOW: &str = "The request body did not arrive in time.";

#[tokio::test]
async fn the_cuts_of_a_body_do_not_matter() {
    let setting = Setting::new();
    let text = r#"{"string":"é","int32":5}"#;
    for cut in 0..=text.len() {
        let (one, other) = text.as_bytes().split_at(cut);
        let steps = [one, b"", other].map(|part| Data(Bytes::copy_from_slice(part)));
        let answer = post(&setting, &[], steps).await;
        assert_eq!(answer.json(), json!({"string": "é", "int32": 5}), "cut at {cut}");
    }
    let bytewise = text.bytes().map(|byte| Data(Bytes::copy_from_slice(&[byte])));
    assert_eq!(post(&setting, &[], bytewise).await.status, 200);
    assert_eq!(post(&setting, &[], [data("{}"), Trailers]).await.status, 200);
    // Of unknown length, but nothing comes: the empty message.
    for steps in [vec![], vec![data("")], vec![Trailers]] {
        assert_eq!(post(&setting, &[], steps).await.json(), json!({}));
    }
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let setting = Setting::new();
    let halves = |text: String| {
        let (one, other) = text.split_at(500);
        [data(one), data(other)]
    };
    assert_eq!(setting.post(&[("content-length", "1000")], &sized(1000)).await.status, 200);
    assert_eq!(post(&setting, &[], halves(sized(1000))).await.status, 200);
    setting.post(&[], &sized(1001)).await.is_error(413, 8, TOO_LARGE);
    post(&setting, &[], halves(sized(1001))).await.is_error(413, 8, TOO_LARGE);
    // What comes after is not waited for.
    post(&setting, &[], [data(&sized(1001)), Stalls]).await.is_error(413, 8, TOO_LARGE);
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_refused_unread() {
    let setting = Setting::new();
    for length in ["1001", "18446744073709551615"] {
        let body = Script::new([Stalls]);
        let was_polled = Arc::clone(&body.was_polled);
        let request = with_body("POST", "/echo", &[("content-length", length)], body);
        setting.send(request).await.is_error(413, 8, TOO_LARGE);
        assert!(!*was_polled.lock().unwrap());
    }
    assert!(!setting.was_called(), "the backend asked for the message and got the refusal instead");
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_are_cut_by_pause_and_by_time_in_all() {
    let setting = Setting::new();
    let table = [
        (vec![Stalls], 10),
        (vec![data("{"), Stalls], 10),
        (vec![data("{"), After(9 * SECOND), data("}"), Stalls], 19),
        (vec![data("{"), After(11 * SECOND), data("}")], 10),
        ((0..100).flat_map(|_| [data(" "), After(9 * SECOND)]).collect(), 60),
    ];
    for (steps, expected) in table {
        let started = Instant::now();
        post(&setting, &[], steps).await.is_error(504, 4, TOO_SLOW);
        assert_eq!(started.elapsed().as_secs(), expected);
    }
    let just_in_time = [After(9 * SECOND), data("{"), After(9 * SECOND), data("}")];
    assert_eq!(post(&setting, &[], just_in_time).await.status, 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_never_runs_a_call() {
    let setting = Setting::new();
    let text = "The request body is incomplete or not framed as HTTP asks.";
    for steps in [vec![Breaks], vec![data("{}"), Breaks]] {
        post(&setting, &[], steps).await.is_error(400, 3, text);
    }
    assert!(!setting.was_called());
}

#[tokio::test]
async fn a_call_that_is_refused_reads_nothing() {
    let setting = Setting::with(&EndpointOptions::default(), true);
    let body = Script::new([Stalls]);
    let was_polled = Arc::clone(&body.was_polled);
    // What is wrong with the body, the headers or the query matters to nobody then.
    let headers = [
        ("content-type", "text/plain"),
        ("content-length", "5000"),
        ("grpc-timeout", "soon"),
        ("grpc-metadata-x-bin", "!"),
    ];
    let answer = setting.send(with_body("POST", "/echo?nothing=1", &headers, body)).await;
    answer.is_error(403, 7, "You may not.");
    assert!(!*was_polled.lock().unwrap());
    assert_eq!(setting.get("/echo/x?nothing=1").await.status, 403);
}

#[tokio::test]
async fn a_body_that_no_rule_binds_is_not_read() {
    let setting = Setting::new();
    let body = Script::new([Stalls]);
    let was_polled = Arc::clone(&body.was_polled);
    let answer = setting.send(with_body("GET", "/echo/x", &[("content-length", "5000")], body)).await;
    assert_eq!(answer.status, 200);
    assert!(!*was_polled.lock().unwrap());
}

#[tokio::test]
async fn wrong_json_names_the_field() {
    let setting = Setting::new();
    let answer = setting.post(&[], r#"{"child":{"int32":"x"}}"#).await;
    assert_eq!(answer.status, 400);
    let body = answer.json();
    assert_eq!(body["code"], 3);
    assert!(body["message"].as_str().unwrap().starts_with("The request body is not valid: child.int32: "));
    let detail = &body["details"][0];
    assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.BadRequest");
    assert_eq!(detail["fieldViolations"][0]["field"], "child.int32");
    assert!(!setting.was_called());
}
