//! What members say of records that they hold. It takes effect when the request is made; answers wait until it is durable.

use std::sync::Arc;

use millstream_protocol::message::share_fetch::AcknowledgementBatch;
use millstream_protocol::{ErrorCode, Str};

use super::{ReadPlace, place};
use crate::broker::Broker;
use crate::share::keeper::{Keeping, settled};
use crate::share::partition::SharePartition;
use crate::share::window::{AcknowledgeRange, ShareLimits};

const RENEW: i8 = 4;

/// Acknowledgements of a request, by partition.
pub(super) type Acknowledgements = Vec<(ReadPlace, Vec<AcknowledgementBatch>)>;

/// What came of them.
#[derive(Debug, Default)]
pub(super) struct AcknowledgeOutcome {
    pub results: Vec<(ReadPlace, ErrorCode)>,
    kept: Option<Keeping>,
}

/// Applies acknowledgements of the member that has the handle `owner`. Renewals are only for requests that say that they have some
/// (KIP-1222).
pub(super) fn acknowledge(broker: &Arc<Broker>, group: &Str, owner: u32, said: Acknowledgements, may_renew: bool) -> AcknowledgeOutcome {
    let settings = broker.groups.share_settings(group);
    let limits = ShareLimits::of(&settings);
    let may_renew = may_renew && settings.is_renew_enabled;
    let now_ms = broker.clock.monotonic_ms();
    let (mut results, mut changed) = (Vec::with_capacity(said.len()), Vec::<Arc<SharePartition>>::new());
    for (read, batches) in said {
        let is_renewal = |batch: &AcknowledgementBatch| batch.acknowledge_types.contains(&RENEW);
        let ranges: Vec<AcknowledgeRange<'_>> = batches.iter().map(range).collect();
        let result = match broker.shares.get(&place(group, read)) {
            None if broker.catalog.get_by_id(read.0).is_none() => Err(ErrorCode::UNKNOWN_TOPIC_ID),
            None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            Some(_) if !may_renew && batches.iter().any(is_renewal) => Err(ErrorCode::INVALID_REQUEST),
            Some(partition) => match partition.acknowledge(owner, &ranges, &limits, now_ms) {
                Ok(change) => {
                    if !change.dead_letters.is_empty() {
                        broker.shares.write_dead_letters(&partition, |group| broker.groups.dead_letter_topic(group));
                    }
                    if change.is_dirty {
                        changed.push(partition);
                    }
                    Ok(())
                }
                Err(error) => Err(error.code()),
            },
        };
        results.push((read, result.err().unwrap_or(ErrorCode::NONE)));
    }
    let kept = (!changed.is_empty()).then(|| broker.shares.keeper.keep(changed));
    AcknowledgeOutcome { results, kept }
}

fn range(batch: &AcknowledgementBatch) -> AcknowledgeRange<'_> {
    AcknowledgeRange { first: batch.first_offset, last: batch.last_offset, types: &batch.acknowledge_types, delay_ms: 0 }
}

impl AcknowledgeOutcome {
    /// The results, once they are durable.
    pub(super) async fn settled(self) -> Vec<(ReadPlace, ErrorCode)> {
        let code = match self.kept {
            None => ErrorCode::NONE,
            Some(kept) => settled(kept).await.err().map_or(ErrorCode::NONE, |error| error.code()),
        };
        let settle = |(read, result): (ReadPlace, ErrorCode)| (read, if result.is_none() { code } else { result });
        self.results.into_iter().map(settle).collect()
    }
}
