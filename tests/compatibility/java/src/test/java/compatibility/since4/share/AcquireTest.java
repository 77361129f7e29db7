package compatibility.since4.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;

/** How many records a member gets at once, and which. */
class AcquireTest extends ShareTest {
    private static String[] numbers(int count) {
        return IntStream.range(0, count).mapToObj(Integer::toString).toArray(String[]::new);
    }

    /** One batch of ten records: a limit of three is kept to the record. */
    @Test
    void noMoreThanTheLimit() {
        String topic = topic(1);
        send(topic, 0, numbers(10));
        String group = group();
        var one = member(group, topic, "share.acquire.mode=record_limit", "max.poll.records=3");
        var records = some(one);
        assertEquals(List.of("0", "1", "2"), values(records));
        var other = member(group, topic, "share.acquire.mode=record_limit", "max.poll.records=5");
        var others = some(other);
        assertEquals(List.of("3", "4", "5", "6", "7"), values(others));
        acknowledge(one, records, AcknowledgeType.RELEASE);
        acknowledge(other, others, AcknowledgeType.ACCEPT);
        records = some(one);
        assertEquals("0/2", counted(records).get(0));
        acknowledge(one, records, AcknowledgeType.ACCEPT);
    }

    /** Records are fetched by batches: a member has the whole batch, poll by poll, and another one gets nothing of it. */
    @Test
    void wholeBatches() throws Exception {
        String topic = topic(1);
        try (var producer = producer("linger.ms=1000")) {
            for (String value : numbers(10)) {
                producer.send(new ProducerRecord<>(topic, 0, null, value));
            }
        }
        var member = member(group(), topic, "share.acquire.mode=batch_optimized", "max.poll.records=3");
        List<String> taken = new ArrayList<>();
        eventually(() -> {
            var records = poll(member);
            taken.addAll(values(records));
            records.forEach(member::acknowledge);
            return List.copyOf(taken);
        }, List.of(numbers(10))::equals);
    }

    @Test
    void eachRecordOnce() {
        String topic = topic(2);
        String group = group();
        List<KafkaShareConsumer<String, String>> members = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            members.add(member(group, topic, "share.acknowledgement.mode=implicit", "max.poll.records=20"));
        }
        List<String> expected = new ArrayList<>();
        List<String> taken = new ArrayList<>();
        for (int round = 0; round < 10; round++) {
            for (int i = 0; i < 10; i++) {
                expected.add(round + "." + i);
                send(topic, i % 2, round + "." + i);
            }
            members.forEach(member -> taken.addAll(values(poll(member))));
        }
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (taken.size() < expected.size() && System.nanoTime() < deadline) {
            members.forEach(member -> taken.addAll(values(poll(member))));
        }
        assertEquals(expected.stream().sorted().toList(), taken.stream().sorted().toList());
    }

    /** Of two transactions one is aborted: groups get what they ask for. */
    @Test
    void byIsolation() {
        String topic = topic(1);
        var producer = producer("transactional.id=" + name("id"));
        producer.initTransactions();
        producer.beginTransaction();
        send(producer, topic, "aborted");
        producer.abortTransaction();
        producer.beginTransaction();
        send(producer, topic, "committed");
        producer.commitTransaction();
        assertEquals(List.of("committed"), take(group("isolation.level=read_committed"), topic, 1));
        assertEquals(List.of("aborted", "committed"), take(group("isolation.level=read_uncommitted"), topic, 2));
    }

    private List<String> take(String group, String topic, int count) {
        var member = member(group, topic);
        List<String> taken = new ArrayList<>();
        while (taken.size() < count) {
            var records = some(member);
            taken.addAll(values(records));
            acknowledge(member, records, AcknowledgeType.ACCEPT);
        }
        return taken;
    }

    @Test
    void whatAnotherMemberDoesNotHold() {
        String topic = topic(1);
        String group = group();
        send(topic, 0, "first");
        var one = member(group, topic);
        var held = some(one);
        send(topic, 0, "second");
        var other = member(group, topic);
        var others = some(other);
        assertEquals(List.of("second/1"), counted(others));
        acknowledge(other, others, AcknowledgeType.ACCEPT);
        acknowledge(one, held, AcknowledgeType.RELEASE);
        assertTrue(counted(some(other)).contains("first/2"));
    }
}
