//! The request side of a call with client streaming.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::StreamExt;
use h2::SendStream;
use tokio::task::JoinHandle;

use crate::call::Messages;
use crate::status::{Code, Status};

use super::request::Piece;
use super::watch::Activity;

/// Sends the messages of a call on a task of its own, so that they go on although the caller does not take
/// the answers yet. The next message is pulled when the windows have granted all of the last.
pub(super) struct Upload {
    task: JoinHandle<Result<(), Status>>,
    ended: bool,
}

impl Upload {
    /// Starts to send. `limit` bounds each message, in bytes.
    pub(super) fn start(
        stream: SendStream<Piece>,
        messages: Messages,
        limit: usize,
        activity: Activity,
    ) -> Self {
        Self { task: tokio::spawn(send_all(stream, messages, limit, activity)), ended: false }
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
    mut stream: SendStream<Piece>,
    mut messages: Messages,
    limit: usize,
    activity: Activity,
) -> Result<(), Status> {
    while let Some(message) = messages.next().await {
        activity.touch();
        if !send(&mut stream, Piece::message(message?, limit)?).await {
            return Ok(());
        }
    }
    // An error is seen again, with its reason, by whoever waits for the answer; so it is in `send`.
    let _ = stream.send_data(Piece::none(), true);
    Ok(())
}

/// Sends a message as flow control allows; false when the backend takes no more.
async fn send(stream: &mut SendStream<Piece>, mut piece: Piece) -> bool {
    loop {
        let left = piece.left();
        stream.reserve_capacity(left);
        let granted = stream.capacity().min(left);
        if granted == left {
            return stream.send_data(piece, false).is_ok();
        }
        if granted > 0 {
            if stream.send_data(piece.split_to(granted), false).is_err() {
                return false;
            }
        } else if !matches!(poll_fn(|cx| stream.poll_capacity(cx)).await, Some(Ok(_))) {
            return false;
        }
    }
}
