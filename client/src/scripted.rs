//! A broker for tests: a function answers each request, and the requests are kept.

use std::sync::Arc;

use futures::FutureExt;
use millstream_protocol::exchange::Answer;
use millstream_protocol::{ApiKey, Call, Disconnected, Exchange, Request, Response};
use parking_lot::Mutex;

use crate::client::Client;

/// The requests that a scripted broker got, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct AskedOf(Arc<Mutex<Vec<Request>>>);

impl AskedOf {
    pub(crate) fn all(&self) -> Vec<Request> {
        self.0.lock().clone()
    }

    pub(crate) fn count(&self, api: ApiKey) -> usize {
        self.0.lock().iter().filter(|request| request.api_key() == api).count()
    }
}

struct Scripted<F> {
    asked: AskedOf,
    answer: F,
}

impl<F: Fn(&Request) -> Answer + Send + Sync + 'static> Exchange for Scripted<F> {
    fn exchange(&self, call: Call) -> Answer {
        let answer = (self.answer)(&call.request);
        self.asked.0.lock().push(call.request);
        answer
    }

    fn version(&self, api: ApiKey) -> Option<i16> {
        Some(api.info().max)
    }
}

/// A client of a broker that answers by the function.
pub(crate) fn scripted(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> (Client, AskedOf) {
    let asked = AskedOf::default();
    (Client::new(Scripted { asked: asked.clone(), answer }), asked)
}

/// An answer that is there at once.
pub(crate) fn answer(response: impl Into<Response>) -> Answer {
    let response: Result<Response, Disconnected> = Ok(response.into());
    futures::future::ready(response).boxed()
}
