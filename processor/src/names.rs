//! A lock for every name: statements that create, replace or drop a table wait for others on the same table, and for nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// The names that are in use just now.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<HashMap<String, Weak<RwLock<()>>>>);

/// A name that a statement has to itself, and a table that stays as it is meanwhile.
#[derive(Debug)]
pub(crate) struct Held {
    _name: OwnedRwLockWriteGuard<()>,
    _table: Option<OwnedRwLockReadGuard<()>>,
}

impl Names {
    /// Waits until nobody else changes what has this name, nor the table that is read for it. Both are taken in the order of their
    /// names, so that no two statements wait for each other.
    pub(crate) async fn hold(&self, name: &str, table: Option<&str>) -> Held {
        let table = table.filter(|table| *table != name);
        let before = match table.filter(|table| *table < name) {
            Some(table) => Some(self.lock_of(table).read_owned().await),
            None => None,
        };
        let held = self.lock_of(name).write_owned().await;
        let after = match table.filter(|table| *table > name) {
            Some(table) => Some(self.lock_of(table).read_owned().await),
            None => None,
        };
        Held { _name: held, _table: before.or(after) }
    }

    fn lock_of(&self, name: &str) -> Arc<RwLock<()>> {
        let mut locks = self.0.lock();
        locks.retain(|_, lock| lock.strong_count() > 0);
        let known = locks.get(name).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let lock = Arc::new(RwLock::new(()));
            locks.insert(name.to_owned(), Arc::downgrade(&lock));
            lock
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_name_waits_for_itself_and_for_the_table_that_is_read() {
        let names = Names::default();
        let counts = names.hold("counts", Some("events")).now_or_never().unwrap();
        // Another query of the same table, and another table, wait for nobody.
        let slow = names.hold("slow", Some("events")).now_or_never().unwrap();
        assert!(names.hold("other", None).now_or_never().is_some());
        for taken in ["counts", "slow", "events"] {
            assert!(names.hold(taken, None).now_or_never().is_none(), "{taken}");
        }
        drop(counts);
        assert!(names.hold("counts", Some("counts")).now_or_never().is_some(), "a query that reads itself does not wait for itself");
        assert!(names.hold("events", None).now_or_never().is_none(), "it is still read");
        drop(slow);
        assert!(names.hold("events", None).now_or_never().is_some());
        assert!(names.0.lock().len() <= 2, "names that nobody holds are forgotten");
    }
}
