//! DeleteShareGroupOffsets: an empty share group forgets topics, and begins them like new ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::message::delete_share_group_offsets::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse, DeleteShareGroupOffsetsTopicResult,
};
use millstream_protocol::{ErrorCode, Response, TopicId};

use super::{check_empty, told};
use crate::broker::Broker;
use crate::share::keeper::settled;

pub(crate) fn delete_share_group_offsets(broker: &Arc<Broker>, request: DeleteShareGroupOffsetsRequest) -> BoxFuture<'static, Response> {
    if let Err(error) = check_empty(broker, &request.group_id) {
        let (error_code, error_message) = told(&error);
        return ready(DeleteShareGroupOffsetsResponse { error_code, error_message, ..Default::default() }.into()).boxed();
    }
    let begun: BTreeSet<TopicId> = broker.shares.of_group(&request.group_id).iter().map(|partition| partition.place.topic).collect();
    let mut response = DeleteShareGroupOffsetsResponse::default();
    let mut topics: Vec<TopicId> = Vec::new();
    for topic in request.topics {
        let id = broker.catalog.get(&topic.topic_name).map(|known| known.id);
        let (code, sentence) = match id {
            None => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.sentence())),
            Some(id) if !begun.contains(&id) => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, Some("There is no offset information to delete.")),
            Some(_) => (ErrorCode::NONE, None),
        };
        topics.extend(id);
        response.responses.push(DeleteShareGroupOffsetsTopicResult {
            topic_name: topic.topic_name,
            topic_id: id.unwrap_or_default(),
            error_code: code,
            error_message: sentence.map(Into::into),
        });
    }
    let forgotten = broker.shares.forget(|place| *place.group == *request.group_id && topics.contains(&place.topic));
    async move {
        if let Some(forgotten) = forgotten
            && let Err(error) = settled(forgotten).await
        {
            response.responses.clear();
            response.error_code = error.code();
        }
        response.into()
    }
    .boxed()
}
