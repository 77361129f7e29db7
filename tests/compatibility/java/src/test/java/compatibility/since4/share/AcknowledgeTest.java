package compatibility.since4.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.errors.InvalidRecordStateException;
import org.junit.jupiter.api.Test;

/** Members accept records, give them back, reject them, or ask for more time. */
class AcknowledgeTest extends ShareTest {
    private final String topic = topic(1);

    @Test
    void implicitlyByTheNextPoll() {
        String group = group();
        send(topic, 0, "a", "b");
        var member = member(group, topic, "share.acknowledgement.mode=implicit");
        assertEquals(List.of("a/1", "b/1"), counted(some(member)));
        nothingIsLeft(member, topic);
        assertEquals(List.of(Optional.empty()), commit(member));
        assertEquals(List.of(), commit(member));
        member.close();
        nothingIsLeft(member(group, topic), topic);
    }

    @Test
    void notImplicitlyByClosing() {
        String group = group("record.lock.duration.ms=60000");
        send(topic, 0, "a", "b");
        var member = member(group, topic, "share.acknowledgement.mode=implicit");
        assertEquals(List.of("a", "b"), values(some(member)));
        member.close();
        var other = member(group, topic);
        var records = some(other);
        assertEquals(List.of("a", "b"), values(records));
        acknowledge(other, records, AcknowledgeType.ACCEPT);
    }

    @Test
    void eachInItsOwnWay() {
        send(topic, 0, "accepted", "released", "rejected");
        var member = member(group(), topic);
        var records = some(member);
        assertEquals(List.of("accepted/1", "released/1", "rejected/1"), counted(records));
        assertThrows(IllegalStateException.class, () -> member.poll(Duration.ZERO), "not everything is acknowledged");
        member.acknowledge(records.get(0));
        member.acknowledge(records.get(1), AcknowledgeType.RELEASE);
        member.acknowledge(records.get(2), AcknowledgeType.REJECT);
        Map<TopicIdPartition, Optional<KafkaException>> results = member.commitSync();
        assertEquals(1, results.size());
        var place = results.keySet().iterator().next();
        assertEquals(topic + "-0", place.topicPartition().toString());
        assertEquals(get(ADMIN.describeTopics(List.of(topic)).allTopicNames()).get(topic).topicId(), place.topicId());
        assertEquals(Optional.empty(), results.get(place));
        records = some(member);
        assertEquals(List.of("released/2"), counted(records));
        acknowledge(member, records, AcknowledgeType.ACCEPT);
        nothingIsLeft(member, topic);
    }

    @Test
    void withTheNextFetch() throws Exception {
        String group = group();
        send(topic, 0, "a", "b", "c");
        var member = member(group, topic);
        List<Object> told = new ArrayList<>();
        member.setAcknowledgementCommitCallback((offsets, error) -> told.add(error == null ? Set.copyOf(offsets.values()) : error));
        some(member).forEach(record -> member.acknowledge(record, AcknowledgeType.ACCEPT));
        eventually(() -> {
            poll(member);
            return List.copyOf(told);
        }, List.of(Set.of(Set.of(0L, 1L, 2L)))::equals);
        member.close();
        nothingIsLeft(member(group, topic), topic);
    }

    @Test
    void untilTheyWereDeliveredTooOften() {
        send(topic, 0, "poison");
        var member = member(group("delivery.count.limit=3"), topic);
        for (int count = 1; count <= 3; count++) {
            var records = some(member);
            assertEquals(List.of("poison/" + count), counted(records));
            acknowledge(member, records, AcknowledgeType.RELEASE);
        }
        nothingIsLeft(member, topic);
    }

    @Test
    void tooLate() {
        String group = group("record.lock.duration.ms=2000");
        send(topic, 0, "a", "b");
        var slow = member(group, topic);
        var other = member(group, topic);
        var late = some(slow);
        assertEquals(List.of("a/1", "b/1"), counted(late));
        assertEquals(Optional.of(2000), slow.acquisitionLockTimeoutMs());
        var records = some(other);
        assertEquals(List.of("a/2", "b/2"), counted(records));
        late.forEach(slow::acknowledge);
        var results = commit(slow);
        assertEquals(1, results.size());
        assertInstanceOf(InvalidRecordStateException.class, results.get(0).orElseThrow());
        acknowledge(other, records, AcknowledgeType.ACCEPT);
        nothingIsLeft(other, topic);
    }

    @Test
    void laterWhoRenews() {
        String group = group("record.lock.duration.ms=3000");
        send(topic, 0, "slow work");
        var member = member(group, topic);
        var other = member(group, topic);
        var records = some(member);
        long end = System.nanoTime() + Duration.ofSeconds(7).toNanos();
        while (System.nanoTime() < end) {
            acknowledge(member, records, AcknowledgeType.RENEW);
            assertEquals(List.of(), poll(other));
            records = some(member);
            assertEquals(List.of("slow work/1"), counted(records));
        }
        acknowledge(member, records, AcknowledgeType.ACCEPT);
        nothingIsLeft(other, topic);
    }

    @Test
    void notByRenewingWhereAGroupForbidsIt() {
        send(topic, 0, "a");
        var member = member(group("renew.acknowledge.enable=false"), topic);
        member.acknowledge(some(member).get(0), AcknowledgeType.RENEW);
        var results = commit(member);
        assertEquals(1, results.size());
        assertTrue(results.get(0).isPresent());
    }

    @Test
    void byClosingTheyGoBack() {
        String group = group("record.lock.duration.ms=60000");
        send(topic, 0, "accepted", "left");
        var member = member(group, topic);
        member.acknowledge(some(member).get(0));
        member.close();
        var other = member(group, topic);
        var records = some(other);
        assertEquals(List.of("left"), values(records));
        acknowledge(other, records, AcknowledgeType.ACCEPT);
        nothingIsLeft(other, topic);
    }
}
