package compatibility.since4.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
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

    /** What one poll gives, which may not be more than that; accepts it. */
    private static List<String> takeUpTo(int limit, KafkaShareConsumer<String, String> member) {
        var records = poll(member);
        assertTrue(records.size() <= limit, () -> "too many: " + counted(records));
        if (!records.isEmpty()) {
            acknowledge(member, records, AcknowledgeType.ACCEPT);
        }
        return counted(records);
    }

    /** One batch of ten records: a limit of three is kept to the record. */
    @Test
    void noMoreThanTheLimit() throws Exception {
        String topic = topic(1);
        send(topic, 0, numbers(10));
        String group = group();
        var one = member(group, topic, "share.acquire.mode=record_limit", "max.poll.records=3");
        var other = member(group, topic, "share.acquire.mode=record_limit", "max.poll.records=2");
        var records = some(one);
        assertEquals(List.of("0/1", "1/1", "2/1"), counted(records));
        List<String> taken = new ArrayList<>(counted(records));
        acknowledge(one, records, AcknowledgeType.ACCEPT);
        eventually(() -> {
            taken.addAll(takeUpTo(2, other));
            taken.addAll(takeUpTo(3, one));
            return taken.size();
        }, size -> size >= 10);
        assertEquals(IntStream.range(0, 10).mapToObj(number -> number + "/1").toList(), taken.stream().sorted().toList());
    }

    /** With whole batches the limit is only a wish: everything comes, in the order of the log. */
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
    void whatAnotherMemberDoesNotHold() throws Exception {
        String topic = topic(1);
        String group = group();
        send(topic, 0, "first");
        var one = member(group, topic);
        var held = some(one);
        var other = member(group, topic);
        var others = eventually(() -> {
            send(topic, 0, "later"); // more than once: the first member may have asked for more already
            return poll(other);
        }, found -> !found.isEmpty());
        assertEquals(Set.of("later/1"), Set.copyOf(counted(others)));
        acknowledge(other, others, AcknowledgeType.ACCEPT);
        acknowledge(one, held, AcknowledgeType.RELEASE);
        eventually(() -> {
            var found = poll(other);
            found.forEach(record -> other.acknowledge(record));
            return counted(found);
        }, found -> found.contains("first/2"));
    }
}
