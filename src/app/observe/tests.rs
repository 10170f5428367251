//! What becomes of the headers that identify a request. How requests are recorded is tested on the binary.

use super::*;

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn observer(ratio: Option<f64>, log: bool) -> Observer {
    Observer {
        log: log.then(|| Arc::new(AccessLog::start(Form::Json, io::sink()).unwrap())),
        tracer: ratio.map(|ratio| Tracer::new(ratio, Exporter::start(NOWHERE).unwrap())),
        shows_paths: true,
    }
}

/// The headers that go on, and the name and the trace in the log.
fn identified(
    observer: &Observer,
    headers: &[(&str, &[u8])],
) -> (HeaderMap, Option<String>, Option<String>, Option<Context>) {
    let mut request = Request::new(());
    for (name, value) in headers {
        let name = HeaderName::try_from(*name).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    let mut observed = observer.observe(&request, None);
    observer.identify(&mut request, &mut observed);
    let detail = observed.detail.as_ref();
    let id = detail.and_then(|detail| Some(detail.request_id.as_ref()?.to_str().unwrap().to_owned()));
    let trace = detail.and_then(|detail| detail.trace).map(|trace| trace.to_string());
    let context = observed.seen.trace.as_ref().map(|trace| match trace {
        Traced::Unsampled(context) => *context,
        Traced::Sampled(trace) => trace.context(),
    });
    (request.into_parts().0.headers, id, trace, context)
}

#[test]
fn names_of_requests_are_kept_if_they_are_usable() {
    let (plain, logging) = (observer(None, false), observer(None, true));
    let long = "x".repeat(128);
    for name in ["7", "a/b+c=.~:_-@#|", "1-67891233-abcdef012345678912345678", &long] {
        let (headers, id, ..) = identified(&logging, &[("x-request-id", name.as_bytes())]);
        assert_eq!((headers["x-request-id"].to_str().unwrap(), id.as_deref()), (name, Some(name)));
        let (headers, id, ..) = identified(&plain, &[("x-request-id", name.as_bytes())]);
        assert_eq!((headers["x-request-id"].to_str().unwrap(), id), (name, None));
    }
    let too_long = "x".repeat(129);
    for name in [&b""[..], b"a b", b"a\"", b"\xff", b"a\t", b"<script>", b"a,b", too_long.as_bytes()] {
        let (headers, id, ..) = identified(&logging, &[("x-request-id", name)]);
        let made = headers["x-request-id"].to_str().unwrap();
        assert!(made.len() == 16 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
        assert_eq!(id.as_deref(), Some(made));
    }
    let (headers, id, ..) = identified(&logging, &[("x-request-id", b"a"), ("x-request-id", b"b")]);
    assert_eq!(headers.get_all("x-request-id").iter().count(), 1);
    assert_eq!(id.map(|id| id.len()), Some(16), "two are none");
    let (headers, ..) = identified(&logging, &[]);
    assert_eq!(headers["x-request-id"].len(), 16, "one is made up");
}

#[test]
fn traces_of_callers_are_followed() {
    let observer = observer(Some(0.0), true);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let unsampled = PARENT.replace("-01", "-00");
    let (headers, _, id, context) = identified(
        &observer,
        &[("traceparent", unsampled.as_bytes()), ("tracestate", b"a=1"), ("tracestate", b"b=2")],
    );
    assert_eq!(headers["traceparent"], &*unsampled, "it goes on as it came");
    assert_eq!(headers.get_all("tracestate").iter().count(), 2);
    assert_eq!((id.as_deref(), context), (Some(trace), None));

    let (headers, _, id, context) =
        identified(&observer, &[("traceparent", PARENT.as_bytes()), ("tracestate", b"a=")]);
    assert_eq!((id.as_deref(), context.map(|context| context.is_sampled())), (Some(trace), Some(true)));
    assert!(!headers.contains_key("tracestate"), "what is not valid does not go on");
    assert!(headers.contains_key("traceparent"));
}

#[test]
fn a_trace_begins_where_none_or_a_bad_one_comes() {
    for (ratio, expected) in [(0.0, false), (1.0, true)] {
        let observer = observer(Some(ratio), true);
        let twice = [("traceparent", PARENT.as_bytes()), ("traceparent", PARENT.as_bytes())];
        let bad = [("traceparent", &b"00-zz"[..]), ("tracestate", b"a=1")];
        for headers in [&[][..], &twice, &bad] {
            let (headers, _, id, context) = identified(&observer, headers);
            // The backend learns of the decision, from the call that is sent.
            let context = context.unwrap();
            assert_eq!(context.is_sampled(), expected);
            assert_eq!(Some(context.trace_id().to_string()), id);
            assert!(!headers.contains_key("traceparent") && !headers.contains_key("tracestate"));
            assert_ne!(id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        }
    }
}

/// Without a collector, the gateway takes no part in traces.
#[test]
fn without_a_collector_headers_go_on_as_they_came() {
    let (headers, ..) = identified(&observer(None, true), &[("traceparent", b"00-zz"), ("tracestate", b"?")]);
    assert_eq!(headers["traceparent"], "00-zz");
    assert_eq!(headers["tracestate"], "?");
    let observer = observer(None, false);
    let request = Request::new(());
    assert!(observer.observe(&request, None).detail.is_none(), "what is only measured costs no allocation");
}

/// What happens to a request that made the gateway fail: the caller gets 500, and so it is recorded.
#[test]
fn a_panic_is_no_caller_that_left() {
    let count = || {
        let requests = NO_ROUTE.requests(method_index(&Method::PATCH));
        let of = |status: u16| requests.count(status_index(StatusCode::from_u16(status).unwrap()));
        (of(500), of(499))
    };
    let (before, mut request) = (count(), Request::new(()));
    *request.method_mut() = Method::PATCH;
    let observer = observer(None, false);
    let run = std::panic::AssertUnwindSafe(|| {
        let _observed = observer.observe(&request, None);
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(std::panic::catch_unwind(run).is_err());
    assert_eq!(count(), (before.0 + 1, before.1));
    drop(observer.observe(&request, None));
    assert_eq!(count(), (before.0 + 1, before.1 + 1));
}
