//! DeleteShareGroupOffsets: an empty share group forgets topics, and begins them like new ones.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::message::delete_share_group_offsets::{
    DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse, DeleteShareGroupOffsetsTopicResult,
};
use millstream_protocol::{ErrorCode, Response, TopicId};

use crate::broker::Broker;
use crate::group::GroupError;
use crate::share::keeper::settled;

pub(crate) fn delete_share_group_offsets(broker: &Arc<Broker>, request: DeleteShareGroupOffsetsRequest) -> BoxFuture<'static, Response> {
    let checked = broker.groups.with_share_group(&request.group_id, |is_empty| if is_empty { Ok(()) } else { Err(GroupError::NotEmpty) });
    if let Err(error) = checked.and_then(|checked| checked) {
        let response = DeleteShareGroupOffsetsResponse {
            error_code: error.code(),
            error_message: Some(error.to_string().into()),
            ..Default::default()
        };
        return ready(response.into()).boxed();
    }
    let mut response = DeleteShareGroupOffsetsResponse::default();
    let mut topics: Vec<TopicId> = Vec::new();
    for topic in request.topics {
        let id = broker.catalog.get(&topic.topic_name).map(|known| known.id);
        let code = if id.is_some() { ErrorCode::NONE } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
        topics.extend(id);
        response.responses.push(DeleteShareGroupOffsetsTopicResult {
            topic_name: topic.topic_name,
            topic_id: id.unwrap_or_default(),
            error_code: code,
            error_message: (!code.is_none()).then(|| code.sentence().into()),
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
