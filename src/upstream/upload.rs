//! The request side of a call with client streaming.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::StreamExt;
use tokio::task::JoinHandle;

use crate::call::Messages;
use crate::status::{Code, Status};

use super::http2::handle::Sink;
use super::request::framed;
use super::watch::Activity;

/// Sends the messages of a call on a task of its own, so that they go on although the caller does not take
/// the answers yet. The next message is pulled when the windows have granted all of the last.
pub(super) struct Upload {
    task: JoinHandle<Result<(), Status>>,
    ended: bool,
}

impl Upload {
    /// Starts to send. `limit` bounds each message, in bytes.
    pub(super) fn start(sink: Sink, messages: Messages, limit: usize, activity: Activity) -> Self {
        Self { task: tokio::spawn(send_all(sink, messages, limit, activity)), ended: false }
    }

    /// Resolves once when everything is sent or the backend takes no more.
    ///
    /// # Errors
    /// What is wrong with the caller's messages.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        if self.ended {
            return Poll::Pending;
        }
        let outcome = ready!(Pin::new(&mut self.task).poll(cx));
        self.ended = true;
        Poll::Ready(outcome.unwrap_or_else(|_| {
            Err(Status::gateway(Code::Internal, "The gateway failed while it read the request."))
        }))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn send_all(
    mut sink: Sink,
    mut messages: Messages,
    limit: usize,
    activity: Activity,
) -> Result<(), Status> {
    while let Some(message) = messages.next().await {
        activity.touch();
        // An error is seen again, with its reason, by whoever waits for the answer.
        if !sink.send(framed(message?, limit)?).await {
            return Ok(());
        }
    }
    sink.finish();
    Ok(())
}
