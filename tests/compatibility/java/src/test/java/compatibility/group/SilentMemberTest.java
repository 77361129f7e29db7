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
    void itsPartitionsGoToAnother(Protocol protocol) {
        String topic = topic(2);
        send(topic, 0, "a");
        String group = name("group");
        var silent = member(protocol, group, "max.poll.interval.ms=2000");
        silent.subscribe(List.of(topic));
        read(silent, 1);
        var other = member(protocol, group, "max.poll.interval.ms=60000");
        other.subscribe(List.of(topic));
        pollUntil(() -> other.assignment().equals(Set.copyOf(places(topic, 0, 1))), other);
        if (protocol == Protocol.CLASSIC) {
            assertThrows(CommitFailedException.class, silent::commitSync);
        } else {
            commitInVain(silent);
        }
        assertEquals(Map.of(), offsets(group));
        pollUntil(() -> silent.assignment().size() == 1 && other.assignment().size() == 1, silent, other);
    }

    /**
     * Two clocks of two seconds race here: the client's, which runs from its last poll and is looked at when a heartbeat is due, and the
     * broker's, which runs from when the member was told to give a partition up.
     */
    private static void commitInVain(KafkaConsumer<String, String> silent) {
        try {
            silent.commitSync(); // it left by itself, knows that it holds nothing, and commits nothing
        } catch (CommitFailedException removed) {
            // the broker was first, and the member has not heard of it
        }
    }

    private KafkaConsumer<String, String> member(Protocol protocol, String group, String interval) {
        List<String> settings = new ArrayList<>(List.of("group.id=" + group, protocol.setting, interval));
        if (protocol == Protocol.CLASSIC) {
            settings.add("heartbeat.interval.ms=200");
        }
        return consumer(settings.toArray(String[]::new));
    }
}
