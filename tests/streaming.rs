//! A streaming query over a broker in this process, batch by batch, against what Spark was seen to do.
//!
//! This binary links the SQL engine: what can be proven without it stands elsewhere.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use millstream_broker::{Broker, BrokerHandle, BrokerSettings, Properties};
use millstream_client::{Client, NewRecord, OffsetAndMetadata, TopicPartition, TopicReader};
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
    results_of(client, "counts").await
}

async fn results_of(client: &Client, topic: &str) -> Vec<String> {
    let mut reader = TopicReader::open(client, topic).await.unwrap();
    let starts = reader.starts().await.unwrap();
    let parts = reader.fetch(&starts, Duration::ZERO, 1 << 20).await.unwrap();
    let mut rows = Vec::new();
    for part in parts {
        rows.extend(part.records(0).unwrap().into_iter().map(|record| String::from_utf8_lossy(&record.value.unwrap()).into_owned()));
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

    for statement in ["DROP TABLE events", &EVENTS.replace("CREATE", "CREATE OR REPLACE")] {
        let error = session.execute(statement).await.unwrap_err().to_string();
        assert!(error.contains("counts reads table events"), "{error}");
    }
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

/// A crash between what the sink took and the commit: the batch runs again and is recognised, however results are delivered. Where
/// nothing says any more whether it was written, the query says so and does not guess.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_was_written_is_recognised() {
    for acks in ["all", "1"] {
        let dir = tempfile::tempdir().unwrap();
        let (client, session) = start(dir.path()).await;
        client.admin().create_topic("events", 1, &[]).await.unwrap();
        let counts = COUNTS.replace("counts AS", &format!("counts OPTIONS ('outputMode' 'update', 'acks' '{acks}') AS"));
        session.execute(&format!("{EVENTS}; {counts}")).await.unwrap();
        send(&client, &[1, 2]).await;
        // The batch after it has no data and no rows.
        batch(&session, 0).await;
        session.close().await;
        drop(session);
        let commits = dir.path().join("processor/checkpoints/636f756e7473/commits");
        let cut = || {
            #[expect(clippy::disallowed_methods, reason = "the crash is made by hand")]
            for number in 0..2 {
                let _ = std::fs::remove_file(commits.join(number.to_string()));
                let _ = std::fs::remove_file(commits.join(format!("../offsets/{}", number + 1)));
            }
        };
        cut();
        let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
        assert_eq!(batch(&session, 0).await["sink"]["numOutputRows"], 1, "acks {acks}: the batch did run again");
        assert_eq!(results(&client).await, [row(0, 2)], "acks {acks}: and wrote nothing twice");
        session.close().await;
        drop(session);
        let groups = client.admin().groups().await.unwrap();
        if acks == "1" {
            assert!(groups.is_empty());
            continue;
        }
        // Every tool sees how far the query has come.
        let group = &groups[0].id;
        assert!(group.starts_with("query-counts-"), "{group}");
        assert_eq!(client.admin().committed_offsets(group, None).await.unwrap().into_values().collect::<Vec<_>>(), [2]);
        client.admin().delete_group(group).await.unwrap();
        cut();
        let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
        let reason = loop {
            match session.query("counts").unwrap().status() {
                QueryStatus::Failed(reason) => break reason,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        assert!(reason.contains("whether batch 0 was written to topic counts before is not known any more"), "{reason}");
        session.close().await;
        drop(session);
        // What it advises is done.
        let note = OffsetAndMetadata { offset: 2, metadata: "batch 0".into() };
        client.admin().commit_offsets(group, &[(TopicPartition::new("events", 0), note)]).await.unwrap();
        let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
        batch(&session, 0).await;
        assert_eq!(results(&client).await, [row(0, 2)]);
        session.close().await;
    }
}

/// Times that are sent at once.
type Seconds = &'static [u32];
/// Windows by the second of their start, and their counts.
type Counts = &'static [(u32, u32)];

fn counts_in(mode: &str) -> String {
    COUNTS.replace("counts AS", &format!("counts OPTIONS ('outputMode' '{mode}') AS"))
}

/// The same input in update mode: each batch writes the groups that it changed, and a closed one goes silently.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn update_mode_writes_what_a_batch_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(&format!("{EVENTS}; {}", counts_in("update"))).await.unwrap();
    let mut written = Vec::new();
    let steps: [(Seconds, i64, Counts); 4] = [
        (&[1, 15], 1, &[(0, 1), (10, 1)]),
        (&[20], 3, &[(20, 1)]),
        // 00:03 is late: its window ended when the watermark did.
        (&[10, 11, 3, 30], 5, &[(10, 3), (30, 1)]),
        (&[45], 7, &[(40, 1)]),
    ];
    for (seconds, last_batch, rows) in steps {
        send(&client, seconds).await;
        let report = batch(&session, last_batch).await;
        assert_eq!(report["numInputRows"], 0, "a batch without data follows, and writes nothing");
        written.extend(rows.iter().map(|(second, count)| row(*second, *count)));
        assert_eq!(results(&client).await, written, "after {seconds:?}");
    }
    let operator = &batch(&session, 7).await["stateOperators"][0];
    assert_eq!((&operator["numRowsTotal"], &operator["numRowsRemoved"]), (&2.into(), &1.into()), "00:20 went, 00:30 and 00:40 are open");
    session.close().await;
}

/// The same input in complete mode: everything each time, nothing is late, nothing is forgotten, and no batch runs without
/// data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complete_mode_writes_everything_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(&format!("{EVENTS}; {}", counts_in("complete"))).await.unwrap();
    let mut written = Vec::new();
    let steps: [(Seconds, Counts); 4] = [
        (&[1, 15], &[(0, 1), (10, 1)]),
        (&[20], &[(0, 1), (10, 1), (20, 1)]),
        (&[10, 11, 3, 30], &[(0, 2), (10, 3), (20, 1), (30, 1)]),
        (&[45], &[(0, 2), (10, 3), (20, 1), (30, 1), (40, 1)]),
    ];
    for (number, (seconds, rows)) in (0..).zip(steps) {
        send(&client, seconds).await;
        assert_eq!(batch(&session, number).await["numInputRows"], seconds.len());
        written.extend(rows.iter().map(|(second, count)| row(*second, *count)));
        assert_eq!(results(&client).await, written, "after {seconds:?}");
    }
    session.close().await;
}

/// A group without a value has no sum and no extremes, also beside groups that the state knows; and an aggregate without
/// keys has a row even when nothing matched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_of_nothing_are_null() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("visits", 1, &[]).await.unwrap();
    let table = "CREATE TABLE visits (page STRING, ms BIGINT) USING kafka OPTIONS ('startingOffsets' 'earliest')";
    let grouped = "CREATE STREAMING TABLE counts OPTIONS ('outputMode' 'update') AS SELECT page, count(*) AS n, sum(ms) AS s, avg(ms) AS a,
                   min(ms) AS low, max(ms) AS high FROM STREAM visits GROUP BY page";
    let global = "CREATE STREAMING TABLE slow OPTIONS ('outputMode' 'update') AS SELECT count(*) AS n, sum(ms) AS s FROM STREAM visits
                  WHERE ms > 100";
    session.execute(&format!("{table}; {grouped}; {global}")).await.unwrap();
    let mut sent = 0;
    for values in [&[r#"{"page":"a","ms":3}"#][..], &[r#"{"page":"b"}"#, r#"{"page":"a","ms":4}"#, r#"{"page":"c","ms":5}"#]] {
        let producer = client.producer().linger(Duration::from_millis(50)).build();
        for value in values {
            drop(producer.send(NewRecord::to("visits").value(*value)).await.unwrap());
            sent += 1;
        }
        producer.flush().await;
        for _ in 0..500 {
            let seen: i64 =
                session.query("counts").unwrap().recent_progress().iter().filter_map(|report| report["numInputRows"].as_i64()).sum();
            if seen == sent {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let written = results(&client).await;
    for row in [
        r#"{"page":"a","n":1,"s":3,"a":3.0,"low":3,"high":3}"#,
        r#"{"page":"a","n":2,"s":7,"a":3.5,"low":3,"high":4}"#,
        r#"{"page":"b","n":1}"#,
        r#"{"page":"c","n":1,"s":5,"a":5.0,"low":5,"high":5}"#,
    ] {
        assert!(written.iter().any(|found| found == row), "{row} in {written:?}");
    }
    assert_eq!(results_of(&client, "slow").await.first().map(String::as_str), Some(r#"{"n":0}"#));
    session.close().await;
}

/// A value that is no JSON of the schema: a row of nulls, no row, or the end of the query, as the table says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_do_not_fit_are_treated_as_the_table_says() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    let producer = client.producer().build();
    for value in [r#"{"at": "2026-03-01T00:00:01Z"}"#, "no JSON", r#"{"at": true}"#, r#"{"at": "2026-03-01T00:00:02Z"}"#] {
        producer.send(NewRecord::to("events").value(value)).await.unwrap().delivered().await.unwrap();
    }
    let good = [r#"{"offset":0,"at":"2026-03-01T00:00:01.000Z"}"#, r#"{"offset":3,"at":"2026-03-01T00:00:02.000Z"}"#];
    for (mode, expected) in [
        ("PERMISSIVE", vec![good[0], r#"{"offset":1}"#, r#"{"offset":2}"#, good[1]]),
        ("DROPMALFORMED", good.to_vec()),
        ("FAILFAST", Vec::new()),
    ] {
        let table = EVENTS
            .replace("TABLE events", &format!("TABLE {mode}"))
            .replace("'startingOffsets'", &format!("'mode' '{mode}', 'subscribe' 'events', 'startingOffsets'"));
        let query = format!(
            "CREATE STREAMING TABLE counts OPTIONS ('trigger' 'availableNow', 'topic' 'out_{mode}') AS SELECT offset, at FROM STREAM {mode}"
        );
        session.execute(&format!("{table}; {query}")).await.unwrap();
        let query = session.query("counts").unwrap();
        let status = query.ended().await;
        match (mode, status) {
            ("FAILFAST", QueryStatus::Failed(reason)) => assert!(reason.contains("events-0") && reason.contains('1'), "{reason}"),
            ("FAILFAST", other) => panic!("{other:?}"),
            (_, QueryStatus::Failed(reason)) => panic!("{reason}"),
            _ => assert_eq!(query.recent_progress()[0]["sources"][0]["metrics"]["malformedRecords"], "2", "{mode}"),
        }
        assert_eq!(results_of(&client, &format!("out_{mode}")).await, expected, "{mode}");
        session.execute("DROP TABLE counts").await.unwrap();
    }
    session.close().await;
}

/// A checkpoint is of one query: another one under its name is refused, and the checkpoint stays as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checkpoint_of_another_query_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(&format!("{EVENTS}; {}", counts_in("update"))).await.unwrap();
    send(&client, &[1]).await;
    batch(&session, 0).await;
    session.close().await;
    drop(session);
    let catalog = dir.path().join("processor/catalog.json");
    let change = |from: &str, to: &str| {
        #[expect(clippy::disallowed_methods, reason = "the change is made by hand")]
        let text = std::fs::read_to_string(&catalog).unwrap();
        assert!(text.contains(from));
        #[expect(clippy::disallowed_methods, reason = "the change is made by hand")]
        std::fs::write(&catalog, text.replace(from, to)).unwrap();
    };
    change("count(*)", "max(at)");
    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    let status = session.query("counts").unwrap().ended().await;
    assert!(matches!(&status, QueryStatus::Failed(reason) if reason.contains("another query")), "{status:?}");
    session.close().await;
    drop(session);
    // The right one goes on where it was.
    change("max(at)", "count(*)");
    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    send(&client, &[2]).await;
    // Batch 1 was the one without data.
    batch(&session, 2).await;
    assert_eq!(results(&client).await, [row(0, 1), row(0, 2)]);
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
