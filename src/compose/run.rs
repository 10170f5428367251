//! One call of a plan.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::HeaderMap;
use tokio::time::Instant;

use super::answer::{Answer, Failure, size, write, write_error};
use super::fan::Fan;
use super::plan::{ForEach, Form, Part, Shared};
use super::source::{Each, Flaw, MAX_VALUES, Pieces, Root, Roots, Value};
use super::template::Broken;
use super::watch::Watch;
use crate::call::service::BoxFuture;
use crate::call::{self, Body, Call, Encodings, Origin, Replies, Reply};
use crate::status::{Code, Status};

/// How much an answer tells of what went wrong, in bytes. Errors that do not fit are left out.
const MAX_ERRORS: usize = 1 << 20;

/// A call of a plan. Dropping it cancels the calls of the parts.
pub(super) struct Run {
    shared: Arc<Shared>,
    form: Form,
    /// The call of the whole, without its body.
    call: Call,
    request: Bytes,
    states: Vec<State>,
    watch: Watch,
    /// Whether a part is done since parts were started.
    has_news: bool,
    running: FuturesUnordered<Running>,
    /// How long all answers are that are kept.
    total: usize,
    failures: Vec<Failure>,
    /// Messages that are ready, where they are answered as they come.
    ready: VecDeque<Vec<u8>>,
    is_over: bool,
}

/// How far a part is.
enum State {
    Waiting,
    Called,
    Items(Fan),
    Stream(Vec<Answer>),
    Done(Vec<Answer>),
    /// Its condition does not hold, or that of a part that it needs.
    Skipped,
    Failed,
}

/// A call of a part, or a stream that has begun.
struct Running {
    part: usize,
    /// Which of its calls, where it is called for a list.
    position: usize,
    work: Work,
}

enum Work {
    Call(BoxFuture<Reply>),
    Stream(Replies),
}

/// What came of a call of a part.
struct Step {
    part: usize,
    position: usize,
    news: News,
}

enum News {
    Reply(Box<Reply>),
    Message(Bytes),
    End(Status),
}

impl Future for Running {
    type Output = (Step, Option<Work>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let news = match &mut self.work {
            Work::Call(call) => call.as_mut().poll(cx).map(|reply| News::Reply(Box::new(reply))),
            Work::Stream(replies) => replies.poll_next_unpin(cx).map(|part| match part {
                Some(call::Part::Message(message)) => News::Message(message.bytes),
                Some(call::Part::End(status, _)) => News::End(status),
                None => News::End(Status::gateway(Code::Internal, "A stream ended without a status.")),
            }),
        };
        news.map(|news| {
            let this = &mut *self;
            let goes_on = matches!(news, News::Message(_));
            let nothing: Replies = Box::pin(futures_util::stream::empty());
            let work = std::mem::replace(&mut this.work, Work::Stream(nothing));
            (Step { part: this.part, position: this.position, news }, goes_on.then_some(work))
        })
    }
}

/// What a part is to do, once all that it needs is there.
enum Turn {
    Call(Vec<u8>),
    Items(Vec<Vec<u8>>),
    Skip,
    Fail(Status),
}

impl Run {
    pub(super) fn new(shared: Arc<Shared>, call: Call, request: Bytes, form: Form) -> Self {
        Self {
            states: shared.parts.iter().map(|_| State::Waiting).collect(),
            watch: Watch::new(Arc::clone(&shared), &call),
            shared,
            form,
            call,
            request,
            has_news: true,
            running: FuturesUnordered::new(),
            total: 0,
            failures: Vec::new(),
            ready: VecDeque::new(),
            is_over: false,
        }
    }

    /// The answer as one message.
    pub(super) async fn whole(mut self) -> Reply {
        loop {
            match self.advance().await {
                Err(reply) => return *reply,
                Ok(true) => {}
                Ok(false) => return self.answer(),
            }
        }
    }

    /// The next message of an answer that is told as it comes; none at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Box<Reply>> {
        while self.ready.is_empty() && self.advance().await? {}
        Ok(self.ready.pop_front())
    }

    /// The same as a part of a stream, which ends with a status; nothing behind that.
    pub(super) async fn part(&mut self) -> Option<call::Part> {
        if self.is_over {
            return None;
        }
        let next = self.next().await;
        Some(self.told(next))
    }

    pub(super) fn told(&mut self, next: Result<Option<Vec<u8>>, Box<Reply>>) -> call::Part {
        let status = match next {
            Ok(Some(wire)) => return call::Part::Message(Bytes::from(wire).into()),
            Ok(None) => Status::ok(),
            Err(reply) => reply.status,
        };
        self.is_over = true;
        call::Part::End(status, HeaderMap::new())
    }

    /// Starts what can be started and waits for the next thing to happen. Says whether anything more can.
    async fn advance(&mut self) -> Result<bool, Box<Reply>> {
        self.start()?;
        if !self.ready.is_empty() {
            return Ok(true);
        }
        // What comes of one call starts others before anything is waited for again, so in the same poll.
        let Some((step, work)) = self.running.next().await else { return Ok(false) };
        let (part, position) = (step.part, step.position);
        self.take(step)?;
        // A stream whose part has failed meanwhile is given up.
        if let Some(work) = work.filter(|_| matches!(self.states[part], State::Stream(_))) {
            self.running.push(Running { part, position, work });
        }
        Ok(true)
    }

    /// Starts the parts whose needs are there, and those that wait for a part that is not called at all.
    fn start(&mut self) -> Result<(), Box<Reply>> {
        while std::mem::take(&mut self.has_news) {
            for part in 0..self.states.len() {
                if matches!(self.states[part], State::Waiting) && self.is_due(part) {
                    self.begin(part)?;
                }
            }
        }
        Ok(())
    }

    fn is_due(&self, part: usize) -> bool {
        let is_over =
            |need: &usize| matches!(self.states[*need], State::Done(_) | State::Skipped | State::Failed);
        self.shared.needs[part].iter().all(is_over)
    }

    fn begin(&mut self, part: usize) -> Result<(), Box<Reply>> {
        match self.turn(part) {
            Turn::Call(request) => {
                self.watch.begin(part);
                self.states[part] = State::Called;
                self.push(part, 0, request.into());
            }
            Turn::Items(requests) => {
                self.watch.begin(part);
                let fan = Fan::new(requests);
                if fan.is_finished() {
                    self.finish(part, Vec::new(), Code::Ok);
                    return Ok(());
                }
                self.states[part] = State::Items(fan);
                let at_once = self.shared.parts[part].for_each.as_ref().map_or(1, |each| each.at_once);
                (0..at_once).for_each(|_| self.call_next_item(part));
            }
            Turn::Skip => self.end(part, State::Skipped),
            Turn::Fail(status) => {
                self.watch.begin(part);
                return self.fail(part, Reply::from(status));
            }
        }
        Ok(())
    }

    fn push(&mut self, part: usize, position: usize, request: Bytes) {
        let Part { method, service, route, timeout, .. } = &self.shared.parts[part];
        let own = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let call = service.call(Call {
            method: Arc::clone(method),
            origin: Origin { route: Arc::clone(route), parts: None, ..self.call.origin.clone() },
            metadata: self.call.metadata.clone(),
            deadline: own.into_iter().chain(self.call.deadline).min(),
            encodings: Encodings::default(),
            trace: self.watch.trace_of(part),
            body: Body::Message(request.into()),
        });
        self.running.push(Running { part, position, work: Work::Call(call) });
    }

    fn call_next_item(&mut self, part: usize) {
        if let State::Items(fan) = &mut self.states[part]
            && let Some((position, request)) = fan.take()
        {
            self.push(part, position, request);
        }
    }

    fn take(&mut self, step: Step) -> Result<(), Box<Reply>> {
        let Step { part, position, news } = step;
        match news {
            News::Reply(reply) if !reply.status.is_ok() => self.call_failed(part, position, *reply),
            News::Reply(reply) => match reply.stream {
                Some(replies) => {
                    self.states[part] = State::Stream(Vec::new());
                    self.running.push(Running { part, position, work: Work::Stream(replies) });
                    Ok(())
                }
                None => self.answered(part, position, reply.message.bytes),
            },
            News::Message(message) => self.answered(part, position, message),
            News::End(status) if !status.is_ok() => self.call_failed(part, position, Reply::from(status)),
            News::End(_) => {
                let state = std::mem::replace(&mut self.states[part], State::Failed);
                let answers = if let State::Stream(answers) = state { answers } else { Vec::new() };
                self.watch.end(part, Code::Ok);
                self.end(part, State::Done(answers));
                Ok(())
            }
        }
    }

    /// A call of a part has answered.
    fn answered(&mut self, part: usize, position: usize, message: Bytes) -> Result<(), Box<Reply>> {
        let is_passed_on = matches!(self.states[part], State::Stream(_))
            && self.form == Form::AsTheyCome
            && !self.shared.is_needed[part];
        let length = message.len();
        let answer = Answer::new(&self.shared.parts[part], message)
            .map_err(|error| self.unreadable(part, Flaw::Wire(error)))
            .and_then(|answer| match self.total.checked_add(length) {
                Some(total) if is_passed_on || total <= self.shared.settings.limit => Ok(answer),
                _ => Err(self.too_long(part)),
            });
        let answer = match answer {
            Ok(answer) => answer,
            Err(status) => return self.call_failed(part, position, Reply::from(status)),
        };
        if !is_passed_on {
            self.total += length;
        }
        match &mut self.states[part] {
            State::Items(_) => return self.item(part, position, Ok(answer)),
            State::Stream(answers) => {
                if self.form == Form::AsTheyCome {
                    self.ready.push_back(self.shared.message(part, [&answer]));
                }
                if !is_passed_on {
                    answers.push(answer);
                }
            }
            _ => self.finish(part, vec![answer], Code::Ok),
        }
        Ok(())
    }

    /// A call of a part has failed, and with it the part, unless it is called for many items.
    fn call_failed(&mut self, part: usize, position: usize, reply: Reply) -> Result<(), Box<Reply>> {
        let is_item = matches!(self.states[part], State::Items(_));
        if is_item && self.shared.parts[part].is_optional {
            return self.item(part, position, Err(reply.status));
        }
        self.fail(part, reply)
    }

    fn item(
        &mut self,
        part: usize,
        position: usize,
        result: Result<Answer, Status>,
    ) -> Result<(), Box<Reply>> {
        let State::Items(fan) = &mut self.states[part] else { return Ok(()) };
        if !fan.finish(position, result) {
            self.call_next_item(part);
            return Ok(());
        }
        // Items with equal requests have one answer that is there many times.
        let length = |result: Option<&Result<Answer, Status>>| match result {
            Some(Ok(answer)) => answer.raw.len(),
            _ => 0,
        };
        let whole = fan.results().map(length).fold(0, usize::saturating_add);
        if whole > self.shared.settings.limit {
            return self.fail(part, Reply::from(self.too_long(part)));
        }
        let mut answers = Vec::new();
        let mut failures = Vec::new();
        for (item, result) in fan.results().enumerate() {
            answers.push(match result {
                Some(Ok(answer)) => answer.clone(),
                Some(Err(status)) => {
                    failures.push(Failure { part, item: Some(item), status: status.clone() });
                    Answer::default()
                }
                None => Answer::default(),
            });
        }
        let code = failures.first().map_or(Code::Ok, |failure| failure.status.code());
        self.finish(part, answers, code);
        failures.into_iter().for_each(|failure| self.report(failure));
        Ok(())
    }

    /// A part has all its answers; the code is what those who observe it are told.
    fn finish(&mut self, part: usize, answers: Vec<Answer>, code: Code) {
        self.watch.end(part, code);
        if self.form == Form::AsTheyCome && !answers.is_empty() {
            self.ready.push_back(self.shared.message(part, &answers));
        }
        let is_kept = self.form == Form::Whole || self.shared.is_needed[part];
        self.end(part, State::Done(if is_kept { answers } else { Vec::new() }));
    }

    /// A part has failed, and with it the whole if it is required.
    fn fail(&mut self, part: usize, reply: Reply) -> Result<(), Box<Reply>> {
        self.watch.end(part, reply.status.code());
        if !self.shared.parts[part].is_optional {
            let Reply { status, hints, .. } = reply;
            return Err(Box::new(Reply { hints, ..Reply::from(status) }));
        }
        self.end(part, State::Failed);
        self.report(Failure { part, item: None, status: reply.status });
        Ok(())
    }

    fn report(&mut self, failure: Failure) {
        if self.form == Form::Whole {
            return self.failures.push(failure);
        }
        let mut out = Vec::new();
        let Shared { settings, parts, .. } = &*self.shared;
        write_error(settings, parts, &failure, &self.call.metadata, &mut out);
        self.ready.push_back(out);
    }

    fn end(&mut self, part: usize, state: State) {
        self.states[part] = state;
        self.has_news = true;
    }

    /// The answer, once nothing is open. What went wrong stands in it as far as there is room.
    fn answer(mut self) -> Reply {
        let Shared { settings, parts, .. } = &*self.shared;
        let answers = |state: &'_ State| match state {
            State::Done(answers) => size(answers),
            _ => 0,
        };
        let mut out = Vec::with_capacity(self.states.iter().map(answers).sum());
        for (part, state) in parts.iter().zip(&self.states) {
            if let State::Done(answers) = state {
                write(part, answers, &mut out);
            }
        }
        self.failures.sort_by_key(|failure| (failure.part, failure.item));
        let start = out.len();
        for failure in &self.failures {
            let length = out.len();
            write_error(settings, parts, failure, &self.call.metadata, &mut out);
            if out.len() - start > MAX_ERRORS {
                out.truncate(length);
                break;
            }
        }
        Reply { message: Bytes::from(out).into(), ..Reply::from(Status::ok()) }
    }

    /// What a part is to do now that all that it needs is over.
    fn turn(&self, part: usize) -> Turn {
        let Part { when, for_each, request, .. } = &self.shared.parts[part];
        let view = View { run: self, item: None };
        // Who does not want the part is told nothing of what it would have needed.
        if let Some(when) = when.as_ref().filter(|when| self.is_there(when.root)) {
            match when.is_true(&view) {
                Ok(true) => {}
                Ok(false) => return Turn::Skip,
                Err(flaw) => return Turn::Fail(self.broken(Broken { root: when.root, flaw })),
            }
        }
        let needs = &self.shared.needs[part];
        let failed = needs.iter().find(|need| matches!(self.states[**need], State::Failed));
        if let Some(need) = failed {
            let name = &self.shared.parts[*need].name;
            let text = format!("It needs the part {name:?}, which failed.");
            return Turn::Fail(Status::gateway(Code::FailedPrecondition, text));
        }
        if needs.iter().any(|need| matches!(self.states[*need], State::Skipped)) {
            return Turn::Skip;
        }
        if let Some(each) = for_each {
            return self.items(part, each).map_or_else(Turn::Fail, Turn::Items);
        }
        match request.write(&view, self.shared.settings.limit) {
            Ok(Some(request)) => Turn::Call(request),
            Ok(None) => Turn::Fail(self.request_too_long(part)),
            Err(broken) => Turn::Fail(self.broken(broken)),
        }
    }

    /// Whether something can be taken from there.
    fn is_there(&self, root: Root) -> bool {
        !matches!(root, Root::Part(part) if matches!(self.states[part], State::Failed | State::Skipped))
    }

    /// The requests for all items of a list.
    fn items(&self, part: usize, each: &ForEach) -> Result<Vec<Vec<u8>>, Status> {
        let view = View { run: self, item: None };
        let broken = |flaw| self.broken(Broken { root: each.list.root, flaw });
        let items = each.list.values(&view).map_err(broken)?;
        if items.len() > each.max_items {
            let name = &self.shared.parts[part].name;
            let (count, most) = (items.len(), each.max_items);
            let text = format!("The part {name:?} would be called for {count} items. At most {most} may be.");
            return Err(exhausted(each.list.root, text));
        }
        // What is the same for all items is looked for once.
        let broken = |broken| self.broken(broken);
        let template = self.shared.parts[part].request.settled(&view).map_err(broken)?;
        let mut left = self.shared.settings.limit;
        let mut requests = Vec::with_capacity(items.len());
        for item in items {
            let view = View { run: self, item: Some(item) };
            let request = template.write(&view, left).map_err(broken)?;
            let request = request.ok_or_else(|| self.request_too_long(part))?;
            // An empty one takes room as well.
            left = left.saturating_sub(request.len());
            requests.push(request);
        }
        Ok(requests)
    }

    fn broken(&self, Broken { root, flaw }: Broken) -> Status {
        match root {
            Root::Part(part) => self.unreadable(part, flaw),
            Root::Request | Root::Item => match flaw {
                Flaw::Wire(error) => {
                    let text = format!("The request is not valid protobuf: {error}.");
                    Status::caller(Code::InvalidArgument, text)
                }
                Flaw::TooMany => {
                    exhausted(root, format!("A list of the request has more than {MAX_VALUES} values."))
                }
            },
        }
    }

    fn unreadable(&self, part: usize, flaw: Flaw) -> Status {
        let name = &self.shared.parts[part].name;
        match flaw {
            Flaw::Wire(error) => {
                let text = format!("The answer of the part {name:?} is not valid protobuf: {error}.");
                Status::backend(Code::Internal, text).with_http(502)
            }
            Flaw::TooMany => {
                let text =
                    format!("A list in the answer of the part {name:?} has more than {MAX_VALUES} values.");
                exhausted(Root::Part(part), text)
            }
        }
    }

    fn too_long(&self, part: usize) -> Status {
        let (name, limit) = (&self.shared.parts[part].name, self.shared.settings.limit);
        let text =
            format!("With that of the part {name:?} the answers are longer than {limit} bytes together.");
        exhausted(Root::Part(part), text)
    }

    fn request_too_long(&self, part: usize) -> Status {
        let (name, limit) = (&self.shared.parts[part].name, self.shared.settings.limit);
        let text = format!("The requests of the part {name:?} are longer than {limit} bytes together.");
        exhausted(Root::Part(part), text)
    }
}

/// Too much of something that is in the request, or in what a backend has answered.
fn exhausted(root: Root, text: String) -> Status {
    match root {
        Root::Request => Status::caller(Code::ResourceExhausted, text).with_http(413),
        Root::Part(_) | Root::Item => Status::backend(Code::ResourceExhausted, text).with_http(502),
    }
}

impl Shared {
    /// A message that holds one part.
    fn message<'a>(&self, part: usize, answers: impl IntoIterator<Item = &'a Answer>) -> Vec<u8> {
        let mut out = Vec::new();
        write(&self.parts[part], answers, &mut out);
        out
    }
}

/// What sources see of a call.
struct View<'r> {
    run: &'r Run,
    item: Option<Value<'r>>,
}

impl<'r> Roots<'r> for View<'r> {
    fn messages(&self, root: Root, each: &mut Each<'_, 'r>) -> Result<(), Flaw> {
        match root {
            Root::Request => each(&Pieces::One(&self.run.request)),
            Root::Part(part) => match &self.run.states[part] {
                State::Done(answers) => answers.iter().try_for_each(|answer| each(&Pieces::One(&answer.raw))),
                _ => Ok(()),
            },
            Root::Item => match &self.item {
                Some(Value::Message(pieces)) => each(pieces),
                _ => Ok(()),
            },
        }
    }

    fn item(&self) -> Option<Value<'r>> {
        self.item.clone()
    }
}
