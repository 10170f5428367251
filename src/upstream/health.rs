//! Asks targets for their health, by `grpc.health.v1.Health/Check`.
//!
//! Each target has a task and a connection of its own for that, so that nothing that carries calls is in its way.
//! Specification: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::connect;
use super::decide::health::{Health, Pulse};
use super::frames::Terms;
use super::group::{Group, Member, contains};
use super::http2::engine::Event;
use super::http2::handle::Sender;
use super::http2::hpack::Request;
use super::request::{CONSTANT, crosses, framed};
use super::response::{Reading, no_status};
use super::target::Target;
use crate::call::{Message, Reply};
use crate::status::{Code, Status};
use crate::telemetry::random;
use crate::wire::WireType;
use crate::wire::reader::Reader;
use crate::wire::writer;

const PATH: &str = "/grpc.health.v1.Health/Check";

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 4096;

/// `HealthCheckResponse.ServingStatus.SERVING`
const SERVING: u64 = 1;

/// Asks the targets of one upstream until it is dropped.
pub(super) struct Watchman {
    settings: Health,
    tasks: Vec<(Arc<Member>, AbortHandle)>,
}

impl Watchman {
    /// Begins to ask. Needs a runtime.
    pub(super) fn start(group: &Arc<Group>, settings: &Health) -> Self {
        let mut watchman = Self { settings: settings.clone(), tasks: Vec::new() };
        watchman.follow(group, &group.members());
        watchman
    }

    /// Asks these targets from now on, those that were asked before as before. Needs a runtime.
    pub(super) fn follow(&mut self, group: &Arc<Group>, members: &[Arc<Member>]) {
        for (_, task) in self.tasks.extract_if(.., |(member, _)| !contains(members, member)) {
            task.abort();
        }
        for member in members {
            if self.tasks.iter().all(|(asked, _)| !Arc::ptr_eq(asked, member)) {
                let patient = Patient { group: Arc::clone(group), member: Arc::clone(member), sender: None };
                let task = tokio::spawn(patient.watch(self.settings.clone()));
                self.tasks.push((Arc::clone(member), task.abort_handle()));
            }
        }
    }

    pub(super) const fn settings(&self) -> &Health {
        &self.settings
    }
}

impl Drop for Watchman {
    fn drop(&mut self) {
        self.tasks.iter().for_each(|(_, task)| task.abort());
    }
}

/// A target that is asked.
struct Patient {
    group: Arc<Group>,
    member: Arc<Member>,
    /// The connection of the last answer.
    sender: Option<Sender>,
}

impl Drop for Patient {
    /// One that is asked no more is well.
    fn drop(&mut self) {
        self.group.health(&self.member, true);
    }
}

impl Patient {
    async fn watch(mut self, settings: Health) {
        let mut pulse = Pulse::new();
        loop {
            let answer = timeout(settings.timeout, self.check(&settings)).await;
            let answer = answer.unwrap_or_else(|_| Err("It does not answer in time.".into()));
            if let Some(is_healthy) = pulse.note(answer.is_ok(), &settings) {
                self.group.health(&self.member, is_healthy);
                self.tell(answer);
            }
            // Spread, so that not all gateways ask at once.
            let part = f64::from((random::next() >> 32) as u32) / f64::from(u32::MAX);
            sleep(settings.interval.mul_f64(0.9 + 0.2 * part)).await;
        }
    }

    fn tell(&self, answer: Result<(), String>) {
        let (upstream, target) = (&**self.group.name(), self.member.target());
        match answer {
            Ok(()) => tracing::info!(upstream, %target, "a backend is well and has its calls back"),
            Err(reason) => tracing::warn!(upstream, %target, reason, "a backend is not well and is left out"),
        }
    }

    /// Asks once; again over a new connection where the last one has ended meanwhile.
    async fn check(&mut self, settings: &Health) -> Result<(), String> {
        let target = self.member.target();
        if let Some(sender) = self.sender.take()
            && let Ok(reply) = ask(&sender, target, &settings.service).await
        {
            self.sender = Some(sender);
            return verdict(&reply);
        }
        let opened = connect::open(target, settings.timeout).await;
        let (sender, driver) = opened.map_err(|error| format!("It cannot be reached: {error}."))?;
        // Ends with the sender.
        tokio::spawn(driver.run());
        let reply = ask(&sender, target, &settings.service).await.map_err(|status| status.to_string())?;
        self.sender = Some(sender);
        verdict(&reply)
    }
}

async fn ask(sender: &Sender, target: &Target, service: &str) -> Result<Reply, Status> {
    let broken =
        |error| Status::backend(Code::Unavailable, format!("The connection does not work: {error}."));
    let request = Request {
        secure: target.tls().is_some(),
        authority: target.authority(),
        path: PATH,
        constant: CONSTANT,
        varying: [None; 4],
        metadata: &HeaderMap::new(),
        keep: crosses,
    };
    let mut question = Vec::new();
    if !service.is_empty() {
        writer::bytes(&mut question, 1, service.as_bytes());
    }
    let question = framed(Message::from(Bytes::from(question)), MAX_ANSWER)?;
    let turn = sender.turn().await.map_err(broken)?;
    let mut stream = turn.open(&request, Some(question)).map_err(broken)?;
    let mut reading = None;
    loop {
        match poll_fn(|cx| stream.poll_event(true, cx)).await.map_err(broken)? {
            Event::Head(head) => {
                reading = Some(Reading::start(head, Terms { limit: MAX_ANSWER, compressed: false })?);
            }
            Event::Data(data) => reading.as_mut().ok_or_else(no_status)?.push(data)?,
            Event::End(trailers) => return reading.ok_or_else(no_status)?.end(trailers),
        }
    }
}

/// Whether an answer says that the target is well. One that knows no such question is taken for well, as the
/// specification asks.
fn verdict(reply: &Reply) -> Result<(), String> {
    match reply.status.code() {
        Code::Ok => {}
        Code::Unimplemented => return Ok(()),
        Code::NotFound => return Err("It does not know the service that it is asked for.".into()),
        _ => return Err(format!("It answers {}.", reply.status)),
    }
    let mut reader = Reader::new(&reply.message.bytes);
    let mut status = 0;
    while !reader.is_at_end() {
        let read = reader.tag().and_then(|(number, wire_type)| match (number, wire_type) {
            (1, WireType::Varint) => reader.varint().map(|value| status = value),
            _ => reader.skip(number, wire_type, 8),
        });
        if read.is_err() {
            return Err("Its answer is no protobuf.".into());
        }
    }
    if status == SERVING { Ok(()) } else { Err("It says that it does not serve.".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_the_specification_means_them() {
        let ok = |wire: &'static [u8]| {
            let message = Message::from(Bytes::from_static(wire));
            verdict(&Reply { message, ..Reply::from(Status::ok()) })
        };
        let err = |code| verdict(&Reply::from(Status::backend(code, "Later.")));
        let does_not = Err("It says that it does not serve.".to_owned());
        for (answer, expected) in [
            (ok(b"\x08\x01"), Ok(())),
            (ok(b"\x12\x01x\x08\x01"), Ok(())),
            (ok(b"\x08\x02"), does_not.clone()),
            (ok(b"\x08\x03"), does_not.clone()),
            (ok(b""), does_not),
            (ok(b"\x08"), Err("Its answer is no protobuf.".to_owned())),
            (err(Code::Unimplemented), Ok(())),
            (err(Code::NotFound), Err("It does not know the service that it is asked for.".to_owned())),
            (err(Code::Unavailable), Err("It answers UNAVAILABLE: Later..".to_owned())),
        ] {
            assert_eq!(answer, expected);
        }
    }
}
