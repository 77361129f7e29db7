//! ShareFetch: acknowledges what the member has done, and acquires more for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::message::share_fetch::{
    ShareFetchPartitionResponse, ShareFetchRequest, ShareFetchResponse, ShareFetchTopic, ShareFetchTopicResponse,
};
use millstream_protocol::{ErrorCode, Response};

use super::acknowledging::{AcknowledgeOutcome, Acknowledgements, acknowledge};
use super::acquiring::{Acquiring, SharedFound};
use super::{NO_OTHER_LEADER, ReadPlace, limits, session_key};
use crate::api::Context;
use crate::api::refused::Refused;
use crate::broker::Broker;
use crate::limit;
use crate::share::session::{FINAL_EPOCH, INITIAL_EPOCH, OpenedSession};
use crate::share::window::AcquireMode;

const RECORD_LIMIT: i8 = 1;

pub(crate) fn share_fetch(broker: &Arc<Broker>, context: &Context, request: ShareFetchRequest) -> BoxFuture<'static, Response> {
    match begin(broker, context, request) {
        Ok((acknowledged, acquiring, wait)) => run(broker.clone(), acknowledged, acquiring, wait).boxed(),
        Err(Refused { code, sentence }) => {
            let response = ShareFetchResponse { error_code: code, error_message: Some(sentence.into()), ..Default::default() };
            ready(response.into()).boxed()
        }
    }
}

/// What takes effect now: the session, and what is acknowledged.
fn begin(
    broker: &Arc<Broker>,
    context: &Context,
    request: ShareFetchRequest,
) -> Result<(AcknowledgeOutcome, Acquiring, Duration), Refused> {
    let key = session_key(request.group_id.as_ref(), request.member_id.as_ref())?;
    let epoch = request.share_session_epoch;
    let is_fetching = request.max_bytes > 0 || request.max_records > 0 || request.min_bytes > 0 || request.max_wait_ms > 0;
    if request.is_renew_ack && is_fetching {
        return Err(Refused::new(
            ErrorCode::INVALID_REQUEST,
            "A request with renewals fetches nothing: its limits and its wait must be 0.",
        ));
    }
    if !(0..=RECORD_LIMIT).contains(&request.share_acquire_mode) {
        return Err(Refused::new(ErrorCode::INVALID_REQUEST, "The share acquire mode is unknown."));
    }
    let named: Vec<ReadPlace> = reads(&request.topics).collect();
    let said: Acknowledgements = acknowledgements(request.topics);
    let settings = broker.groups.share_settings(&key.group);
    let opened = match epoch {
        INITIAL_EPOCH if !said.is_empty() => {
            return Err(Refused::new(ErrorCode::INVALID_REQUEST, "The request that opens a share session acknowledges nothing."));
        }
        INITIAL_EPOCH => {
            let sessions_max = broker.settings.groups.share_sessions_max;
            let opened = broker.shares.sessions.open(&key, context.connection, named, sessions_max);
            let (opened, ended) = opened.map_err(|error| Refused::new(error.code(), error.to_string()))?;
            ended.iter().for_each(|ended| broker.shares.release(ended, &limits(broker, &key.group)));
            opened
        }
        FINAL_EPOCH => {
            let owner = broker.shares.sessions.owner(&key).map_err(|error| Refused::new(error.code(), error.to_string()))?;
            OpenedSession { owner, reads: Vec::new() }
        }
        _ => {
            let forgotten: Vec<ReadPlace> = request
                .forgotten_topics_data
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, *partition)))
                .collect();
            let opened = broker.shares.sessions.go_on(&key, epoch, &named, &forgotten);
            opened.map_err(|error| Refused::new(error.code(), error.to_string()))?
        }
    };
    let acknowledged = acknowledge(broker, &key.group, opened.owner, said, request.is_renew_ack);
    if epoch == FINAL_EPOCH
        && let Some(ended) = broker.shares.sessions.close(&key)
    {
        broker.shares.release(&ended, &limits(broker, &key.group));
    }
    let acquiring = Acquiring {
        broker: broker.clone(),
        group: key.group.detached(),
        owner: opened.owner,
        reads: if request.is_renew_ack { Vec::new() } else { opened.reads },
        mode: if request.share_acquire_mode == RECORD_LIMIT { AcquireMode::RecordLimit } else { AcquireMode::BatchOptimized },
        records_max: request.max_records.max(0) as usize,
        bytes_max: (request.max_bytes.max(0) as usize).min(broker.settings.fetch_bytes_max),
        settings,
    };
    Ok((acknowledged, acquiring, Duration::from_millis(request.max_wait_ms.clamp(0, limit::FETCH_WAIT_MS_MAX) as u64)))
}

fn reads(topics: &[ShareFetchTopic]) -> impl Iterator<Item = ReadPlace> {
    topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, partition.partition_index)))
}

fn acknowledgements(topics: Vec<ShareFetchTopic>) -> Acknowledgements {
    let said = topics.into_iter().flat_map(|topic| {
        let of_topic = move |partition: millstream_protocol::message::share_fetch::ShareFetchPartition| {
            ((topic.topic_id, partition.partition_index), partition.acknowledgement_batches)
        };
        topic.partitions.into_iter().map(of_topic)
    });
    said.filter(|(_, batches)| !batches.is_empty()).collect()
}

async fn run(broker: Arc<Broker>, acknowledged: AcknowledgeOutcome, acquiring: Acquiring, wait: Duration) -> Response {
    // What is acknowledged is not held back by a wait for records: a member that has something to hear hears it.
    let has_acknowledged = !acknowledged.results.is_empty();
    let acquired = acquiring.run(if has_acknowledged { Duration::ZERO } else { wait });
    let (results, found) = futures::join!(acknowledged.settled(), acquired);
    let mut response = ShareFetchResponse {
        acquisition_lock_timeout_ms: i32::try_from(broker.groups.share_settings(&acquiring.group).record_lock_ms).unwrap_or(i32::MAX),
        ..Default::default()
    };
    for ((topic_id, _), partition) in answers(results, found) {
        match response.responses.last_mut() {
            Some(topic) if topic.topic_id == topic_id => topic.partitions.push(partition),
            _ => response.responses.push(ShareFetchTopicResponse { topic_id, partitions: vec![partition] }),
        }
    }
    response.into()
}

/// Partitions of which there is something to say, by topic.
fn answers(results: Vec<(ReadPlace, ErrorCode)>, found: Vec<SharedFound>) -> BTreeMap<ReadPlace, ShareFetchPartitionResponse> {
    let mut answers: BTreeMap<ReadPlace, ShareFetchPartitionResponse> = BTreeMap::new();
    let new =
        |read: ReadPlace| ShareFetchPartitionResponse { partition_index: read.1, current_leader: NO_OTHER_LEADER, ..Default::default() };
    for (read, code) in results {
        let answer = answers.entry(read).or_insert_with(|| new(read));
        answer.acknowledge_error_code = code;
        answer.acknowledge_error_message = (!code.is_none()).then(|| code.sentence().into());
    }
    for (read, found) in found {
        let answer = answers.entry(read).or_insert_with(|| new(read));
        match found {
            Ok(delivery) => {
                answer.records = delivery.records;
                answer.acquired_records = delivery.acquired;
            }
            Err(code) => {
                answer.error_code = code;
                answer.error_message = Some(code.sentence().into());
            }
        }
    }
    answers
}
