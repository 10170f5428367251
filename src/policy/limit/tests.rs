//! Limits around a service, by calls in memory.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use http::HeaderMap;
use tokio::sync::mpsc;

use super::asking::{Counters, Counts};
use super::budget::{Allowed, Budget, ByPlan, Limits};
use super::flight::Ceiling;
use super::store::{Demand, Outcome, Quota, Rate, Standing, Standings, Store, Taken, Window};
use super::subject::CountedBy;
use crate::call::identity::{Identity, Noted};
use crate::call::priority::Priority;
use crate::call::service::{BoxFuture, CallService};
use crate::call::{Body, Call, Dialect, Encodings, Message, Method, Origin, Part, Reply};
use crate::policy::guard::Guard;
use crate::policy::rule::{Policy, Require, Rule, Scope};
use crate::policy::verify::{Verdict, Verifier};
use crate::status::{Code, Status};

/// Knows the caller by the first word of its route, and its plan by the second.
struct ByRoute(http::HeaderValue);

impl Verifier for ByRoute {
    fn verify(&self, origin: &Origin) -> Verdict {
        let mut words = origin.route.split(' ');
        let (principal, plan) = (words.next().unwrap_or_default(), words.next());
        let identity =
            Identity { principal: principal.into(), plan: plan.map(Into::into), ..Identity::default() };
        Verdict::Known(Arc::new(identity))
    }

    fn wanted(&self) -> &str {
        "a route"
    }

    fn challenge(&self, _: &Origin) -> &http::HeaderValue {
        &self.0
    }
}

/// Counts its calls, and answers those to a stream with what comes from a channel.
#[derive(Default)]
struct Backend {
    calls: AtomicUsize,
    streams: Mutex<Vec<mpsc::UnboundedReceiver<Part>>>,
    /// How much the last call matters.
    priority: Mutex<Option<Priority>>,
}

impl CallService for Backend {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        self.calls.fetch_add(1, Relaxed);
        *self.priority.lock().unwrap() = Some(call.origin.priority);
        let mut reply = Reply::from(Status::ok());
        if let Some(mut parts) = self.streams.lock().unwrap().pop() {
            reply.stream = Some(Box::pin(futures_util::stream::poll_fn(move |cx| parts.poll_recv(cx))));
        }
        Box::pin(std::future::ready(reply))
    }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// So many in a day, and as many at once.
fn daily(count: u32) -> Rate {
    Rate { count: number(count), period: Duration::from_secs(86_400), burst: number(count) }
}

fn budget(name: &str, count: u32, concurrency: Option<u32>, priority: Priority) -> Arc<Budget> {
    let calls = concurrency.and_then(NonZeroU32::new);
    Arc::new(Budget::new("plan", name, &[daily(count)], &[], calls, priority))
}

fn by_plan(plans: &[Arc<Budget>], default: Option<usize>) -> Limits {
    let named: HashMap<Box<str>, _> =
        plans.iter().map(|plan| (plan.name().into(), Arc::clone(plan))).collect();
    let default = default.map(|at| Arc::clone(&plans[at]));
    Limits {
        counted_by: CountedBy::Principal,
        allowed: Allowed::ByPlan(ByPlan { plans: Arc::new(named), default }),
    }
}

fn rule(limits: Limits, weight: u32) -> Rule {
    let challenge = http::HeaderValue::from_static("Route");
    let require = Require { all: false, proofs: vec![Arc::new(ByRoute(challenge))] };
    let policy = Policy { require: Some(require), limits: Some(limits), ..Policy::default() };
    Rule { policy: Arc::new(policy), scope: Scope::default(), weight: number(weight) }
}

struct Gateway {
    guard: Guard,
    backend: Arc<Backend>,
}

/// What became of a call.
struct Done {
    reply: Reply,
    noted: Arc<Noted>,
}

impl Done {
    fn code(&self) -> Code {
        self.reply.status.code()
    }

    fn told(&self) -> Vec<&str> {
        self.noted.limits().iter().map(|limit| limit.state.to_str().unwrap()).collect()
    }
}

impl Gateway {
    fn new(rules: Vec<Rule>, counters: Counters) -> Self {
        let backend = Arc::<Backend>::default();
        let guard = Guard::new(rules, Arc::default(), Arc::new(counters), Arc::clone(&backend) as _);
        Self { guard, backend }
    }

    /// A call of somebody with a plan: `a free`.
    async fn call(&self, who: &str) -> Done {
        self.call_from(who, "192.0.2.1:4000").await
    }

    async fn call_from(&self, who: &str, address: &str) -> Done {
        let noted = Arc::<Noted>::default();
        let origin = Origin {
            peer: Some(address.parse().unwrap()),
            noted: Some(Arc::clone(&noted)),
            ..Origin::new(Dialect::Rest, who.into())
        };
        let method = Method {
            path: "/shop.Echo/Say".parse().unwrap(),
            client_streaming: false,
            server_streaming: false,
            idempotent: false,
            safe: false,
            meter: Arc::default(),
        };
        let call = Call {
            method: Arc::new(method),
            origin,
            metadata: HeaderMap::new(),
            deadline: None,
            encodings: Encodings::default(),
            trace: None,
            // Nobody reads it for a caller who is refused.
            body: Body::Pending(Box::pin(std::future::pending())),
        };
        Done { reply: self.guard.call(call).await, noted }
    }

    /// How many of these are answered, one after the other.
    async fn answered(&self, who: &str, count: usize) -> usize {
        let before = self.backend.calls.load(Relaxed);
        let mut answered = 0;
        for _ in 0..count {
            answered += usize::from(self.call(who).await.code() == Code::Ok);
        }
        assert_eq!(self.backend.calls.load(Relaxed) - before, answered);
        answered
    }
}

#[tokio::test]
async fn callers_have_what_their_plan_says() {
    let plans = [budget("free", 3, None, Priority::Low), budget("pro", 5, None, Priority::High)];
    let gateway = Gateway::new(vec![rule(by_plan(&plans, None), 1)], Counters::default());
    assert_eq!(gateway.answered("a free", 9).await, 3);
    assert_eq!(gateway.answered("b free", 9).await, 3);
    assert_eq!(gateway.answered("c pro", 9).await, 5);
    let refused = gateway.call("a free").await;
    assert_eq!((refused.code(), refused.reply.status.http()), (Code::ResourceExhausted, 429));
    // A third of a day, less what the test took.
    let text = refused.reply.status.message();
    assert!(text.starts_with("The limit 3/day of \"free\" is used up. Call again in 28"), "{text}");
    let wait = refused.reply.hints.retry_after.unwrap();
    assert!(wait <= Duration::from_secs(28_800) && wait > Duration::from_secs(28_000), "{wait:?}");
    let types: Vec<_> = refused.reply.status.details().iter().map(|detail| &*detail.type_url).collect();
    assert_eq!(
        types,
        ["type.googleapis.com/google.rpc.QuotaFailure", "type.googleapis.com/google.rpc.RetryInfo"]
    );
    assert!(refused.told()[0].starts_with("\"free-3/day\";r=0;t=86"), "{:?}", refused.told());
    assert!(gateway.call("d pro").await.told()[0].starts_with("\"pro-5/day\";r=4;t=172"));
    // Who has no plan that is known is refused, or has that for all others.
    for who in ["d gold", "d"] {
        let refused = gateway.call(who).await;
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(refused.reply.status.message().starts_with("The caller has no plan that is known here"));
        assert!(refused.told().is_empty());
    }
    let gateway = Gateway::new(vec![rule(by_plan(&plans, Some(0)), 1)], Counters::default());
    assert_eq!(gateway.answered("d gold", 9).await + gateway.answered("d", 9).await, 3);
}

/// One plan counts once for a call, however many policies go by it; another limit counts beside it.
#[tokio::test]
async fn several_policies_count_what_is_theirs() {
    let plans = [budget("free", 6, None, Priority::Low)];
    let by_plan = by_plan(&plans, None);
    let rules = vec![rule(by_plan.clone(), 1), rule(by_plan.clone(), 2)];
    let gateway = Gateway::new(rules, Counters::default());
    assert_eq!(gateway.answered("a free", 9).await, 3);
    let own = Budget::new("policy", "open", &[daily(2)], &[], None, Priority::Normal);
    let address = Limits { counted_by: CountedBy::Address, allowed: Allowed::Same(Arc::new(own)) };
    let counts = Counts::default();
    let counters = || Counters { store: Arc::clone(&counts.memory) as _, ..Counters::default() };
    let gateway = Gateway::new(vec![rule(by_plan.clone(), 1), rule(address.clone(), 1)], counters());
    let first = gateway.call("a free").await;
    assert_eq!(first.told().len(), 2);
    assert_eq!(gateway.answered("b free", 2).await, 1);
    assert_eq!(gateway.call_from("b free", "192.0.2.2:1").await.code(), Code::Ok);
    // Another generation with equal limits goes on with the same counts.
    let gateway = Gateway::new(vec![rule(by_plan, 1), rule(address, 1)], counters());
    assert_eq!(gateway.answered("c free", 9).await, 0);
}

#[tokio::test]
async fn quotas_and_weights_are_said_to_be_met() {
    let quota = Quota { count: NonZeroU64::new(5).unwrap(), window: Window::Month };
    let own = Budget::new("policy", "trial", &[daily(9)], &[quota], None, Priority::Normal);
    let everybody = Limits { counted_by: CountedBy::Everybody, allowed: Allowed::Same(Arc::new(own)) };
    let gateway = Gateway::new(vec![rule(everybody.clone(), 2)], Counters::default());
    assert_eq!(gateway.answered("a", 1).await + gateway.answered("b", 9).await, 2);
    let refused = gateway.call("c").await;
    let text = refused.reply.status.message();
    assert!(text.starts_with("The limit 5/month of \"trial\" is used up. Call again in "), "{text}");
    let gateway = Gateway::new(vec![rule(everybody, 6)], Counters::default());
    let refused = gateway.call("c").await;
    let expected =
        "The limit 5/month of \"trial\" is used up. This call counts as more than there ever is of it.";
    assert_eq!((refused.reply.status.message(), refused.reply.hints.retry_after), (expected, None));
}

#[tokio::test]
async fn calls_count_as_long_as_they_go_on() {
    let plans = [budget("free", 9, Some(2), Priority::Low)];
    let gateway = Gateway::new(vec![rule(by_plan(&plans, None), 1)], Counters::default());
    let mut open = Vec::new();
    let mut senders = Vec::new();
    for _ in 0..2 {
        let (sender, parts) = mpsc::unbounded_channel();
        gateway.backend.streams.lock().unwrap().push(parts);
        senders.push(sender);
        open.push(gateway.call("a free").await.reply.stream.unwrap());
    }
    let refused = gateway.call("a free").await;
    assert_eq!(
        refused.reply.status.message(),
        "The limit 2 calls at a time of \"free\" is reached. Call again when one of them has ended."
    );
    assert_eq!(
        (refused.code(), refused.reply.hints.retry_after),
        (Code::ResourceExhausted, Some(Duration::from_secs(1)))
    );
    assert_eq!(gateway.answered("b free", 1).await, 1);
    // One ends, which is not waited for until the caller lets go of it.
    senders[0].send(Part::Message(Message::default())).unwrap();
    assert!(matches!(open[0].next().await, Some(Part::Message(_))));
    assert_eq!(gateway.answered("a free", 1).await, 0);
    senders[0].send(Part::End(Status::ok(), HeaderMap::new())).unwrap();
    assert!(matches!(open[0].next().await, Some(Part::End(..))));
    assert_eq!(gateway.answered("a free", 2).await, 2);
    // The other caller goes away.
    drop(open.pop());
    assert_eq!(gateway.answered("a free", 3).await, 3);
    // What was refused for calls at a time took nothing of the rate: 2, 2 and 3 of 9 are taken.
    assert!(gateway.call("a free").await.told()[0].starts_with("\"free-9/day\";r=1;"));
}

/// So that whoever has too much of them refuses the same first.
#[tokio::test]
async fn calls_carry_the_priority_of_their_plan() {
    let plans = [budget("free", 99, None, Priority::Low), budget("pro", 99, None, Priority::High)];
    let policed = Gateway::new(vec![rule(by_plan(&plans, None), 1)], Counters::default());
    let open = Gateway::new(Vec::new(), Counters::default());
    for (gateway, who, expected) in [
        (&policed, "a free", Priority::Low),
        (&policed, "b pro", Priority::High),
        (&open, "anybody", Priority::Normal),
    ] {
        assert_eq!(gateway.answered(who, 1).await, 1);
        assert_eq!(*gateway.backend.priority.lock().unwrap(), Some(expected), "{who}");
    }
}

#[tokio::test]
async fn who_matters_less_is_refused_first() {
    let plans = [
        budget("free", 99, None, Priority::Low),
        budget("plain", 99, None, Priority::Normal),
        budget("pro", 99, None, Priority::High),
    ];
    let counts = Counts::default();
    let counters =
        Counters { ceiling: Some(Ceiling::new(Arc::clone(&counts.flight), 10)), ..Counters::default() };
    let gateway = Gateway::new(vec![rule(by_plan(&plans, None), 1)], counters.clone());
    let mut open = Vec::new();
    let mut hold = async |gateway: &Gateway| {
        let (sender, parts) = mpsc::unbounded_channel();
        gateway.backend.streams.lock().unwrap().push(parts);
        let done = gateway.call("x pro").await;
        open.push((sender, done.reply.stream.unwrap()));
    };
    for _ in 0..8 {
        hold(&gateway).await;
    }
    let refused = gateway.call("a free").await;
    assert_eq!((refused.code(), refused.reply.status.http()), (Code::Unavailable, 503));
    assert_eq!(refused.reply.hints.retry_after, Some(Duration::from_secs(1)));
    assert_eq!(refused.reply.status.message(), "Too many calls go on at the moment. Call again in a second.");
    assert!(refused.reply.hints.challenges.is_empty() && refused.told().is_empty());
    assert_eq!((gateway.answered("a free", 1).await, gateway.answered("b plain", 1).await), (0, 1));
    hold(&gateway).await;
    assert_eq!((gateway.answered("b plain", 1).await, gateway.answered("c pro", 1).await), (0, 1));
    // Where no policy holds, a call is as others are.
    let open_to_all = Gateway::new(Vec::new(), counters);
    assert_eq!(open_to_all.answered("anybody", 1).await, 0);
    hold(&gateway).await;
    assert_eq!(gateway.answered("c pro", 1).await, 0);
    open.clear();
    assert_eq!(open_to_all.answered("anybody", 1).await, 1);
}

/// A store that has to ask somebody else, who may be away.
#[derive(Debug)]
struct Slow {
    is_away: bool,
    asked: AtomicUsize,
}

impl Store for Slow {
    fn take(&self, demand: &Demand<'_>) -> Taken {
        let count = self.asked.fetch_add(1, Relaxed);
        let mut standings = Standings::default();
        let is_admitted = !self.is_away && count < 4;
        if !self.is_away {
            let left = 4_usize.saturating_sub(count + usize::from(is_admitted)) as u64;
            standings.push(Standing {
                remaining: left,
                reset: Duration::from_secs(u64::from(demand.weight.get())),
            });
        }
        let outcome = Outcome {
            is_admitted,
            wait: (!is_admitted && !self.is_away).then_some(Duration::from_secs(7)),
            standings,
        };
        Taken::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            outcome
        }))
    }
}

#[tokio::test]
async fn stores_may_take_their_time_or_be_away() {
    let plans = [budget("free", 4, None, Priority::Low)];
    let own = Arc::new(Budget::new("policy", "open", &[daily(9)], &[], None, Priority::Normal));
    let address = Limits { counted_by: CountedBy::Address, allowed: Allowed::Same(own) };
    let rules = || vec![rule(by_plan(&plans, None), 1), rule(address.clone(), 1)];
    let slow = |is_away| Counters {
        store: Arc::new(Slow { is_away, asked: AtomicUsize::new(0) }),
        ..Counters::default()
    };
    let gateway = Gateway::new(rules(), slow(false));
    let first = gateway.call("a free").await;
    assert_eq!(
        (first.code(), first.told()),
        (Code::Ok, vec!["\"free-4/day\";r=3;t=1", "\"open-9/day\";r=2;t=1"])
    );
    assert_eq!(gateway.answered("a free", 1).await, 1);
    let refused = gateway.call("a free").await;
    assert_eq!(
        (refused.code(), refused.reply.hints.retry_after),
        (Code::ResourceExhausted, Some(Duration::from_secs(7)))
    );
    assert_eq!(refused.told(), ["\"free-4/day\";r=0;t=1"]);

    let gateway = Gateway::new(rules(), slow(true));
    let refused = gateway.call("a free").await;
    assert_eq!(
        (refused.code(), refused.reply.hints.retry_after),
        (Code::Unavailable, Some(Duration::from_secs(1)))
    );
    assert!(refused.told().is_empty());
}
