//! A streaming query over a broker in this process, batch by batch, against what Spark was seen to do.
//!
//! This binary links the SQL engine: what can be proven without it stands elsewhere.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use millstream_broker::{Broker, BrokerHandle, BrokerSettings, Properties};
use millstream_client::{Client, NewRecord, TopicReader};
use millstream_processor::{QueryStatus, Session};
use serde_json::Value;

const EVENTS: &str = "CREATE TABLE events (at TIMESTAMP) USING kafka OPTIONS ('startingOffsets' 'earliest')";
const COUNTS: &str = "CREATE STREAMING TABLE counts AS SELECT window.start AS start, count(*) AS n \
                      FROM STREAM events WATERMARK at DELAY OF INTERVAL 10 SECONDS GROUP BY window(at, '10 seconds')";

async fn start(dir: &std::path::Path) -> (Client, Session) {
    let broker = Broker::open(&dir.join("broker"), BrokerSettings::new(Properties::new()).unwrap()).unwrap();
    let client = Client::new(BrokerHandle(broker));
    let session = Session::open(client.clone(), &dir.join("processor")).await.unwrap();
    (client, session)
}

/// Sends times of one minute as one batch.
async fn send(client: &Client, seconds: &[u32]) {
    let producer = client.producer().linger(Duration::from_millis(50)).build();
    for second in seconds {
        let value = format!(r#"{{"at": "2026-03-01T00:00:{second:02}Z"}}"#);
        drop(producer.send(NewRecord::to("events").partition(0).value(value)).await.unwrap());
    }
    producer.flush().await;
}

/// Waits for a batch and gives its report.
async fn batch(session: &Session, number: i64) -> Value {
    for _ in 0..500 {
        let query = session.query("counts").unwrap();
        assert_eq!(query.status(), QueryStatus::Running);
        if let Some(found) = query.recent_progress().into_iter().find(|progress| progress["batchId"] == number) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("batch {number} did not come");
}

async fn results(client: &Client) -> Vec<String> {
    let mut reader = TopicReader::open(client, "counts").await.unwrap();
    let starts = reader.starts().await.unwrap();
    let parts = reader.fetch(&starts, Duration::ZERO, 1 << 20).await.unwrap();
    let mut rows = Vec::new();
    for part in parts {
        let fetched = millstream_client::Fetched { batches: part.batches, high_watermark: part.high_watermark };
        rows.extend(fetched.records(0).unwrap().into_iter().map(|record| String::from_utf8_lossy(&record.value.unwrap()).into_owned()));
    }
    rows
}

fn row(second: u32, count: u32) -> String {
    format!(r#"{{"start":"2026-03-01T00:00:{second:02}.000Z","n":{count}}}"#)
}

/// The worked example of append mode, delay 10 s, windows of 10 s: the watermark moves between batches, a batch without data
/// follows when it has, a row below the watermark counts while its window is open, and one whose window is closed does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_close_as_sparks_do() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(&format!("{EVENTS}; {COUNTS}")).await.unwrap();

    send(&client, &[1, 15]).await;
    assert_eq!(batch(&session, 0).await["numInputRows"], 2);
    assert_eq!(batch(&session, 1).await["eventTime"]["watermark"], "2026-03-01T00:00:05.000Z");
    assert!(results(&client).await.is_empty());

    send(&client, &[20]).await;
    assert_eq!(batch(&session, 3).await["numInputRows"], 0, "a batch without data");
    assert_eq!(results(&client).await, [row(0, 1)], "an end equal to the watermark is enough");

    send(&client, &[10, 11, 3, 30]).await;
    assert_eq!(batch(&session, 4).await["stateOperators"][0]["numRowsDroppedByWatermark"], 1);
    batch(&session, 5).await;
    assert_eq!(results(&client).await, [row(0, 1), row(10, 3)]);

    // A restart in between changes nothing: watermark, state and offsets come back.
    session.close().await;
    drop(session);
    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    send(&client, &[45]).await;
    batch(&session, 7).await;
    assert_eq!(results(&client).await, [row(0, 1), row(10, 3), row(20, 1)]);
    session.close().await;
    drop(session);

    // A crash after the sink took batch 7 and before its commit: it runs again, and its result is recognised.
    let checkpoint = dir.path().join("processor/checkpoints/636f756e7473");
    #[expect(clippy::disallowed_methods, reason = "the crash is made by hand")]
    std::fs::remove_file(checkpoint.join("commits/7")).unwrap();
    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    assert_eq!(batch(&session, 7).await["sink"]["numOutputRows"], 1, "the batch did run again");
    assert_eq!(results(&client).await, [row(0, 1), row(10, 3), row(20, 1)], "and wrote nothing twice");
    session.close().await;
}

/// What is refused, and that the reason is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_streamed_is_refused_with_sparks_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(EVENTS).await.unwrap();
    for (statement, sentence) in [
        ("SELECT count(*) FROM STREAM events", None),
        ("CREATE STREAMING TABLE x AS SELECT count(*) FROM STREAM events", Some("Append output mode not supported")),
        (
            "CREATE STREAMING TABLE x OPTIONS ('outputMode' 'complete') AS SELECT at FROM STREAM events",
            Some("Complete output mode not supported"),
        ),
        ("CREATE STREAMING TABLE x AS SELECT at FROM STREAM events ORDER BY at", Some("Sorting is not supported")),
        (
            "CREATE STREAMING TABLE x OPTIONS ('outputMode' 'update') AS SELECT count(DISTINCT at) FROM STREAM events",
            Some("Distinct aggregations"),
        ),
        ("CREATE STREAMING TABLE x AS SELECT at FROM STREAM nowhere", Some("table nowhere does not exist")),
        ("CREATE STREAMING TABLE x AS SELECT at FROM events", Some("Queries without streaming sources")),
        ("CREATE STREAMING TABLE events2 OPTIONS ('topic' 'events') AS SELECT at FROM STREAM events", Some("read what it writes")),
        ("CREATE STREAMING TABLE x AS SELECT now() FROM STREAM events", Some("now() in a streaming query")),
        ("SELEKT 1", Some("does not begin a statement")),
    ] {
        let outcome = session.execute(statement).await;
        match sentence {
            None => assert!(outcome.is_ok(), "{statement}"),
            Some(sentence) => {
                let error = outcome.expect_err(statement).to_string();
                assert!(error.contains(sentence), "{statement}: {error}");
            }
        }
    }
    assert!(session.queries().is_empty());
}
