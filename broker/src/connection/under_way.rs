//! The requests of one connection that are under way, in the order of their arrival: answers leave in that order.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use millstream_protocol::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;

use crate::limit;
use crate::served::Served;

/// How a request wants its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub version: i16,
    pub correlation_id: i32,
    /// A producer with acks=0 gets none.
    pub is_silent: bool,
}

impl Form {
    pub(super) fn of(request: &Request, version: i16, correlation_id: i32) -> Self {
        let is_silent = matches!(request, Request::Produce(produce) if produce.acks == 0);
        Form { version, correlation_id, is_silent }
    }
}

/// A request that is being served.
struct Serving {
    served: Served,
    form: Form,
    done: Option<Response>,
    /// What the answer that is there holds in memory.
    done_bytes: usize,
    _memory: Option<OwnedSemaphorePermit>,
}

/// The requests under way, at most [`limit::PIPELINED_MAX`].
#[derive(Default)]
pub(super) struct UnderWay(VecDeque<Serving>);

impl UnderWay {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no further request may begin: as many as may be are under way, or the last one has not taken effect yet.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= limit::PIPELINED_MAX || self.0.back().is_some_and(|last| matches!(last.served, Served::Beginning(_)))
    }

    pub(super) fn push(&mut self, served: Served, form: Form, memory: Option<OwnedSemaphorePermit>) {
        self.0.push_back(Serving { served, form, done: None, done_bytes: 0, _memory: memory });
    }

    /// The answer at the head of the line, if it is there.
    pub(super) fn pop_done(&mut self) -> Option<(Response, Form)> {
        let first = self.0.front_mut()?;
        if first.done.is_none() {
            first.done = poll_fn(|context| first.poll(context)).now_or_never();
        }
        let response = first.done.take()?;
        self.0.pop_front().map(|served| (response, served.form))
    }

    /// Waits until the answer at the head of the line is there, or a request has taken effect and another may begin; drives all the
    /// others meanwhile. Never ends when nothing is under way.
    pub(super) async fn next_done(&mut self) {
        let was_full = self.is_full();
        poll_fn(|context| {
            let mut held_bytes: usize = self.0.iter().map(|serving| serving.done_bytes).sum();
            for (place, serving) in self.0.iter_mut().enumerate() {
                // A client that asks on and on and reads no answer does not fill the memory.
                if place > 0 && held_bytes >= limit::WAITING_ANSWER_BYTES_MAX {
                    break;
                }
                if serving.done.is_none()
                    && let Poll::Ready(response) = serving.poll(context)
                {
                    serving.done_bytes = record_bytes(&response);
                    held_bytes += serving.done_bytes;
                    serving.done = Some(response);
                }
                if place == 0 && serving.done.is_some() {
                    return Poll::Ready(());
                }
            }
            if was_full && !self.is_full() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Serving {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Response> {
        if let Served::Beginning(beginning) = &mut self.served {
            self.served = Served::Begun(ready!(beginning.as_mut().poll(context)));
        }
        match &mut self.served {
            Served::Begun(answer) => answer.as_mut().poll(context),
            Served::Beginning(_) => Poll::Pending,
        }
    }
}

/// What an answer holds beside a few small fields.
fn record_bytes(response: &Response) -> usize {
    let Response::Fetch(fetch) = response else { return 0 };
    let partitions = fetch.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.filter_map(|partition| partition.records.as_ref()).map(|records| records.len()).sum()
}
