//! ElectLeaders: the one broker leads every partition, and is the one that everybody prefers.

use std::sync::Arc;

use millstream_protocol::message::elect_leaders::{
    ElectLeadersPartitionResult, ElectLeadersRequest, ElectLeadersResponse, ElectLeadersTopicResult,
};
use millstream_protocol::{ErrorCode, Str};

use crate::api::partition;
use crate::broker::Broker;
use crate::catalog::Topic;

/// The two kinds of election.
const PREFERRED: i8 = 0;

const ANY: i8 = 1;

/// The one broker leads every partition, and is the one that everybody prefers.
pub(crate) fn elect_leaders(broker: &Broker, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let is_known = matches!(request.election_type, PREFERRED | ANY);
    let Some(topics) = request.topic_partitions else {
        // Only where something would change is there something to say.
        let nothing = |topic: &Arc<Topic>| ElectLeadersTopicResult { topic: Str::from(&topic.name), partition_result: Vec::new() };
        let replica_election_results = broker.catalog.all().iter().map(nothing).collect();
        return ElectLeadersResponse { replica_election_results, ..Default::default() };
    };
    let results = topics.into_iter().map(|topic| ElectLeadersTopicResult {
        partition_result: topic
            .partitions
            .into_iter()
            .map(|partition_id| {
                let error_code = match partition(broker, &topic.topic, partition_id) {
                    _ if !is_known => ErrorCode::INVALID_REQUEST,
                    Ok(_) => ErrorCode::ELECTION_NOT_NEEDED,
                    Err(code) => code,
                };
                let error_message = Some(Str::from_static(error_code.sentence()));
                ElectLeadersPartitionResult { partition_id, error_code, error_message }
            })
            .collect(),
        topic: topic.topic,
    });
    let error_code = if is_known { ErrorCode::NONE } else { ErrorCode::INVALID_REQUEST };
    ElectLeadersResponse { error_code, replica_election_results: results.collect(), ..Default::default() }
}
