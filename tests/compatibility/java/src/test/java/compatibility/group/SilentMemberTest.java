package compatibility.group;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import compatibility.BrokerTest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A member that does not poll for too long loses its partitions to another, cannot commit, and is a member again when it polls. */
class SilentMemberTest extends BrokerTest {
    @ParameterizedTest
    @EnumSource
    void itsPartitionsGoToAnother(Protocol protocol) throws Exception {
        String topic = topic(2);
        send(topic, 0, "a");
        String group = name("group");
        var silent = member(protocol, group, "max.poll.interval.ms=2000");
        silent.subscribe(List.of(topic));
        read(silent, 1);
        // By itself: had it to give a partition up, the broker would remove it after the same two seconds, and either might be first.
        eventually(() -> get(ADMIN.describeConsumerGroups(List.of(group)).all()).get(group).members().size(), size -> size == 0);
        var other = member(protocol, group, "max.poll.interval.ms=60000");
        other.subscribe(List.of(topic));
        pollUntil(() -> other.assignment().equals(Set.copyOf(places(topic, 0, 1))), other);
        if (protocol == Protocol.CLASSIC) {
            assertThrows(CommitFailedException.class, silent::commitSync);
        } else {
            silent.commitSync(); // it knows that it holds nothing, and commits nothing
        }
        assertEquals(Map.of(), offsets(group));
        pollUntil(() -> silent.assignment().size() == 1 && other.assignment().size() == 1, silent, other);
    }

    private KafkaConsumer<String, String> member(Protocol protocol, String group, String interval) {
        List<String> settings = new ArrayList<>(List.of("group.id=" + group, protocol.setting, interval));
        if (protocol == Protocol.CLASSIC) {
            settings.add("heartbeat.interval.ms=200");
        }
        return consumer(settings.toArray(String[]::new));
    }
}
