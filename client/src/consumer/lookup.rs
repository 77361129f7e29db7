//! Looking up where a consumer begins in its partitions: one request for the topics, one for the offsets, however many partitions
//! there are.

use std::time::Duration;

use millstream_protocol::TopicId;
use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};

use super::options::AutoOffsetReset;
use crate::client::Client;
use crate::error::{Error, ErrorKind, missing};
use crate::isolation::Isolation;
use crate::reader::Start;
use crate::topic_partition::TopicPartition;

/// The pause before something is looked up again.
const LOOKUP_PAUSE: Duration = Duration::from_millis(200);

/// What has to be looked up before a partition can be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolve {
    /// Where to begin without an offset.
    Reset,
    /// Where that is.
    To(Start),
    /// Only which topic has the name now.
    Topic,
}

/// A partition that cannot be read on before something is looked up.
#[derive(Debug)]
pub(super) struct Unresolved {
    pub partition: TopicPartition,
    /// The era of its place when it was asked.
    pub era: u64,
    pub what: Resolve,
}

/// What was looked up for a partition.
#[derive(Debug)]
pub(super) struct Found {
    pub partition: TopicPartition,
    pub era: u64,
    pub outcome: Outcome,
}

/// The topic's id, and where to begin unless only the topic was looked up.
pub(super) type Outcome = Result<(TopicId, Option<i64>), Error>;

/// Looks topics and offsets up.
pub(super) async fn look_up(client: Client, reset: AutoOffsetReset, isolation: Isolation, unresolved: Vec<Unresolved>) -> Vec<Found> {
    let outcomes = match outcomes(&client, reset, isolation, &unresolved).await {
        Ok(outcomes) => outcomes,
        // The request as a whole failed.
        Err(error) => vec![Err(error); unresolved.len()],
    };
    if outcomes.iter().any(Result::is_err) {
        tokio::time::sleep(LOOKUP_PAUSE).await;
    }
    let found = |(Unresolved { partition, era, .. }, outcome)| Found { partition, era, outcome };
    unresolved.into_iter().zip(outcomes).map(found).collect()
}

/// The outcome for each partition, in order.
async fn outcomes(client: &Client, reset: AutoOffsetReset, isolation: Isolation, unresolved: &[Unresolved]) -> Result<Vec<Outcome>, Error> {
    let topics = client.topics(unresolved.iter().map(|place| place.partition.topic.clone()).collect()).await?;
    let start_of = |place: &Unresolved| -> Result<(TopicId, Option<Start>), Error> {
        let name = &place.partition.topic;
        let topic = topics.get(name).ok_or_else(|| missing(format!("topic {name}")))?.as_ref().map_err(Error::clone)?;
        Ok((topic.id, start(place, reset)?))
    };
    let starts: Vec<_> = unresolved.iter().map(start_of).collect();
    let mut times = Vec::new();
    for (place, start) in unresolved.iter().zip(&starts) {
        if let Ok((_, Some(start))) = start
            && let Some(time) = time_of(*start)
        {
            times.push((place.partition.clone(), time));
        }
    }
    let admin = client.admin();
    let mut offsets = admin.look_up_offsets(times, isolation).await?;
    // No record has so late a time: reading begins at the end.
    let late = offsets.iter().filter(|(_, offset)| matches!(offset, Ok(None))).map(|(place, _)| (place.clone(), LATEST)).collect();
    offsets.extend(admin.look_up_offsets(late, isolation).await?);
    let outcome = |(place, start): (&Unresolved, Result<(TopicId, Option<Start>), Error>)| -> Outcome {
        let (topic_id, start) = start?;
        let offset = match start {
            None => None,
            Some(Start::Offset(offset)) => Some(offset),
            Some(_) => {
                let found = offsets.remove(&place.partition).unwrap_or_else(|| Err(missing(place.partition.to_string())));
                Some(found?.unwrap_or(0))
            }
        };
        Ok((topic_id, offset))
    };
    Ok(unresolved.iter().zip(starts).map(outcome).collect())
}

/// Where a partition is to begin; `None` where only its topic was to be looked up.
fn start(place: &Unresolved, reset: AutoOffsetReset) -> Result<Option<Start>, Error> {
    match (place.what, reset) {
        (Resolve::Topic, _) => Ok(None),
        (Resolve::To(start), _) => Ok(Some(start)),
        (Resolve::Reset, AutoOffsetReset::Earliest) => Ok(Some(Start::Beginning)),
        (Resolve::Reset, AutoOffsetReset::Latest) => Ok(Some(Start::End)),
        (Resolve::Reset, AutoOffsetReset::None) => {
            let partition = &place.partition;
            let message =
                format!("the group has no offset for {partition}, or one that is not kept any more, and is not to begin elsewhere");
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
    }
}

/// The time that ListOffsets is asked for; `None` for an offset that is known.
fn time_of(start: Start) -> Option<i64> {
    match start {
        Start::Beginning => Some(EARLIEST),
        Start::End => Some(LATEST),
        Start::Time(time) => Some(time),
        Start::Offset(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use millstream_protocol::message::list_offsets::{
        ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
    };
    use millstream_protocol::message::metadata::{MetadataRequest, MetadataResponse, MetadataTopic};
    use millstream_protocol::{ApiKey, ErrorCode, Request, Str};

    use super::*;
    use crate::scripted::{AskedOf, answer, scripted};

    const NO_RECORD_AT: i64 = 77;

    fn topics(request: &MetadataRequest) -> MetadataResponse {
        let found = |name: Option<Str>| {
            let is_gone = name.as_deref() == Some("gone");
            let error_code = if is_gone { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION } else { ErrorCode::NONE };
            MetadataTopic { error_code, name, topic_id: TopicId([1; 16]), ..Default::default() }
        };
        let topics = request.topics.iter().flatten().map(|topic| found(topic.name.clone())).collect();
        MetadataResponse { topics, ..Default::default() }
    }

    /// A partition begins at ten times its number and ends at 1000; it has a record of every time but one.
    fn offsets(request: &ListOffsetsRequest) -> ListOffsetsResponse {
        let offset = |partition: i32, timestamp: i64| match timestamp {
            EARLIEST => i64::from(partition) * 10,
            LATEST => 1000,
            NO_RECORD_AT => -1,
            time => time,
        };
        let topics = request.topics.iter().map(|topic| ListOffsetsTopicResponse {
            name: topic.name.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|asked| ListOffsetsPartitionResponse {
                    partition_index: asked.partition_index,
                    offset: offset(asked.partition_index, asked.timestamp),
                    ..Default::default()
                })
                .collect(),
        });
        ListOffsetsResponse { topics: topics.collect(), ..Default::default() }
    }

    fn broker() -> (Client, AskedOf) {
        scripted(|request| match request {
            Request::Metadata(request) => answer(topics(request)),
            Request::ListOffsets(request) => answer(offsets(request)),
            other => panic!("{other:?}"),
        })
    }

    fn unresolved(topic: &str, partition: i32, what: Resolve) -> Unresolved {
        Unresolved { partition: TopicPartition::new(topic, partition), era: 0, what }
    }

    async fn found(client: Client, places: Vec<Unresolved>) -> Vec<Option<Option<i64>>> {
        let found = look_up(client, AutoOffsetReset::Earliest, Isolation::default(), places).await;
        found.into_iter().map(|found| found.outcome.ok().map(|(_, offset)| offset)).collect()
    }

    #[tokio::test]
    async fn all_partitions_are_looked_up_in_one_request_for_topics_and_one_for_offsets() {
        let (client, asked) = broker();
        let places = (0..40).map(|number| unresolved(if number % 2 == 0 { "t" } else { "u" }, number, Resolve::Reset)).collect();
        let expected: Vec<Option<Option<i64>>> = (0..40).map(|number| Some(Some(number * 10))).collect();
        assert_eq!(found(client, places).await, expected);
        assert_eq!((asked.count(ApiKey::Metadata), asked.count(ApiKey::ListOffsets)), (1, 1));
    }

    #[tokio::test]
    async fn each_partition_begins_where_it_is_to_begin() {
        let (client, asked) = broker();
        let places = vec![
            unresolved("t", 1, Resolve::To(Start::End)),
            unresolved("gone", 0, Resolve::Reset),
            unresolved("t", 2, Resolve::To(Start::Time(5))),
            unresolved("t", 3, Resolve::To(Start::Time(NO_RECORD_AT))),
            unresolved("t", 4, Resolve::Topic),
            unresolved("t", 5, Resolve::To(Start::Offset(55))),
            unresolved("t", 6, Resolve::To(Start::Beginning)),
        ];
        let expected: [Option<Option<i64>>; 7] =
            [Some(Some(1000)), None, Some(Some(5)), Some(Some(1000)), Some(None), Some(Some(55)), Some(Some(60))];
        assert_eq!(found(client, places).await, expected);
        // The second one asks for the end where there is no record of the time.
        assert_eq!((asked.count(ApiKey::Metadata), asked.count(ApiKey::ListOffsets)), (1, 2));
    }
}
