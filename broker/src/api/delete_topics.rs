//! DeleteTopics.

use std::collections::HashMap;
use std::sync::Arc;

use millstream_protocol::message::delete_topics::{DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use millstream_protocol::{ErrorCode, Str, TopicId};

use super::{Context, Refused};
use crate::broker::Broker;
use crate::journal::is_internal;

pub(crate) fn delete_topics(broker: &Arc<Broker>, context: &Context, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let states: Vec<DeleteTopicState> = if context.version >= 6 {
        request.topics
    } else {
        request.topic_names.into_iter().map(|name| DeleteTopicState { name: Some(name), topic_id: TopicId::ZERO }).collect()
    };
    let mut times: HashMap<(Option<Str>, TopicId), usize> = HashMap::new();
    states.iter().for_each(|state| *times.entry((state.name.clone(), state.topic_id)).or_default() += 1);
    let mut responses = Vec::new();
    for state in states {
        let Some(count) = times.remove(&(state.name.clone(), state.topic_id)) else { continue };
        let deleted = if count > 1 { Err(Refused::new(ErrorCode::INVALID_REQUEST, "Duplicate topic.")) } else { delete(broker, &state) };
        responses.push(match deleted {
            Ok((name, topic_id)) => DeletableTopicResult { name: Some(name), topic_id, ..Default::default() },
            Err(Refused { code: error_code, sentence }) => {
                DeletableTopicResult { name: state.name, topic_id: state.topic_id, error_code, error_message: Some(sentence.into()) }
            }
        });
    }
    DeleteTopicsResponse { responses, ..Default::default() }
}

fn delete(broker: &Broker, state: &DeleteTopicState) -> Result<(Str, TopicId), Refused> {
    if !broker.settings.is_delete_enabled {
        return Err(ErrorCode::TOPIC_DELETION_DISABLED.into());
    }
    let topic = match (&state.name, state.topic_id.is_zero()) {
        (Some(_), false) => return Err(Refused::new(ErrorCode::INVALID_REQUEST, "You may not specify both topic name and topic id.")),
        (None, true) => return Err(Refused::new(ErrorCode::INVALID_REQUEST, "Neither topic name nor id were specified.")),
        (Some(name), true) => broker.catalog.get(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?,
        (None, false) => broker.catalog.get_by_id(state.topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?,
    };
    if is_internal(&topic.name) {
        return Err(Refused::new(ErrorCode::INVALID_TOPIC_EXCEPTION, "The coordinators need this topic."));
    }
    broker.catalog.delete(&topic)?;
    broker.groups.forget_topic(&topic.name, topic.id);
    // Nobody waits for that: what a crash leaves of it the next start removes.
    drop(broker.shares.forget(|place| place.topic == topic.id));
    Ok((topic.name.as_str().into(), topic.id))
}
