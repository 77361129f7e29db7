//! Sentences for the log that the same client could have said thousands of times a second: each is logged at most once a minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::limit;
use parking_lot::Mutex;

/// The same sentence is not told again before this has passed.
const PAUSE: Duration = Duration::from_secs(60);

/// Which sentences were told, and when.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<HashMap<String, Instant>>);

impl Seldom {
    /// Whether a sentence is to be told now.
    pub(crate) fn is_due(&self, sentence: &str, now: Instant) -> bool {
        let mut told = self.0.lock();
        if told.get(sentence).is_some_and(|told| now.duration_since(*told) < PAUSE) {
            return false;
        }
        if told.len() >= limit::SELDOM_SENTENCES_MAX {
            told.retain(|_, told| now.duration_since(*told) < PAUSE);
        }
        if told.len() >= limit::SELDOM_SENTENCES_MAX {
            told.clear();
        }
        told.insert(sentence.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_told_once_a_minute_and_the_memory_is_bounded() {
        let (seldom, begun) = (Seldom::default(), Instant::now());
        assert!(seldom.is_due("a", begun));
        assert!(!seldom.is_due("a", begun + Duration::from_secs(59)));
        assert!(seldom.is_due("b", begun));
        assert!(seldom.is_due("a", begun + Duration::from_secs(61)));
        for number in 0..10_000 {
            seldom.is_due(&number.to_string(), begun);
        }
        assert!(seldom.0.lock().len() <= limit::SELDOM_SENTENCES_MAX);
    }
}
