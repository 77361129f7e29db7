//! ShareAcknowledge: what became of records that a member holds, without fetching more.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::message::share_acknowledge::{
    ShareAcknowledgePartitionResponse, ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareAcknowledgeTopicResponse,
};
use millstream_protocol::{ErrorCode, Response};

use super::acknowledging::{AcknowledgeOutcome, Acknowledgements, acknowledge};
use super::{NO_OTHER_LEADER, limits, session_key};
use crate::api::refused::Refused;
use crate::broker::Broker;
use crate::share::session::{FINAL_EPOCH, INITIAL_EPOCH};

pub(crate) fn share_acknowledge(broker: &Arc<Broker>, request: ShareAcknowledgeRequest) -> BoxFuture<'static, Response> {
    match begin(broker, request) {
        Ok((acknowledged, lock_ms)) => answer(acknowledged, lock_ms).boxed(),
        Err(Refused { code, sentence }) => {
            let response = ShareAcknowledgeResponse { error_code: code, error_message: Some(sentence.into()), ..Default::default() };
            ready(response.into()).boxed()
        }
    }
}

fn begin(broker: &Arc<Broker>, request: ShareAcknowledgeRequest) -> Result<(AcknowledgeOutcome, i64), Refused> {
    let key = session_key(request.group_id.as_ref(), request.member_id.as_ref())?;
    let refused = |error: crate::share::session::SessionError| Refused::new(error.code(), error.to_string());
    let owner = match request.share_session_epoch {
        // Only a fetch opens a session.
        INITIAL_EPOCH => return Err(Refused::from(ErrorCode::INVALID_SHARE_SESSION_EPOCH)),
        FINAL_EPOCH => broker.shares.sessions.owner(&key).map_err(refused)?,
        epoch => broker.shares.sessions.go_on(&key, epoch, &[], &[]).map_err(refused)?.owner,
    };
    let said: Acknowledgements = request
        .topics
        .into_iter()
        .flat_map(|topic| {
            topic
                .partitions
                .into_iter()
                .map(move |partition| ((topic.topic_id, partition.partition_index), partition.acknowledgement_batches))
        })
        // Of a partition of which nothing is said nothing is answered.
        .filter(|(_, batches): &(_, Vec<_>)| !batches.is_empty())
        .collect();
    let acknowledged = acknowledge(broker, &key.group, owner, said, request.is_renew_ack);
    if request.share_session_epoch == FINAL_EPOCH
        && let Some(ended) = broker.shares.sessions.close(&key)
    {
        broker.shares.release(&ended, &limits(broker, &key.group));
    }
    Ok((acknowledged, broker.groups.share_settings(&key.group).record_lock_ms))
}

async fn answer(acknowledged: AcknowledgeOutcome, lock_ms: i64) -> Response {
    let mut response =
        ShareAcknowledgeResponse { acquisition_lock_timeout_ms: i32::try_from(lock_ms).unwrap_or(i32::MAX), ..Default::default() };
    for ((topic_id, partition_index), error_code) in acknowledged.settled().await {
        let error_message = (!error_code.is_none()).then(|| error_code.sentence().into());
        let partition = ShareAcknowledgePartitionResponse { partition_index, error_code, error_message, current_leader: NO_OTHER_LEADER };
        match response.responses.last_mut() {
            Some(topic) if topic.topic_id == topic_id => topic.partitions.push(partition),
            _ => response.responses.push(ShareAcknowledgeTopicResponse { topic_id, partitions: vec![partition] }),
        }
    }
    response.into()
}
