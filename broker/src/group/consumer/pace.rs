//! The heartbeat interval of consumer groups. A member hears of what changed with its next heartbeat: so heartbeats come
//! often, and more often while the group is changing, which is settled in a fraction of a second. Kafka tells the same interval
//! always, by default 5 s.

use super::Surroundings;

/// For how long a group counts as changing after it changed.
const CHANGING_MS: i64 = 1000;
/// How often members come meanwhile.
const SOON_MS: i64 = 100;

#[derive(Debug, Default)]
pub(super) struct Pace {
    epoch: i32,
    changed_ms: Option<i64>,
}

impl Pace {
    pub(super) fn interval_ms(&mut self, epoch: i32, has_moved: bool, members: usize, world: &Surroundings<'_>) -> i32 {
        if has_moved || epoch != self.epoch {
            self.epoch = epoch;
            self.changed_ms = Some(world.now_ms);
        }
        let is_changing = self.changed_ms.is_some_and(|changed_ms| world.now_ms - changed_ms < CHANGING_MS);
        let told_ms = world.settings.heartbeat_ms;
        // A group of hundreds takes a millisecond a member, so that it is no burden; nobody's session ends for that.
        let burden_ms = (members as i64).min(world.settings.session_timeout_ms / 3);
        (if is_changing { told_ms.min(SOON_MS.max(burden_ms)) } else { told_ms.max(burden_ms) }) as i32
    }
}
