package compatibility.producer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import compatibility.BrokerTest;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever acknowledgement a producer asks for, its records arrive in order; who asks for none is told no offset. */
class AcksTest extends BrokerTest {
    @ParameterizedTest
    @ValueSource(strings = {"1", "all"})
    void anAnswerNamesTheOffset(String acks) {
        String topic = topic(1);
        var producer = producer("acks=" + acks, "enable.idempotence=" + acks.equals("all"));
        assertEquals(0, send(producer, topic, "a").offset());
        assertEquals(1, send(producer, topic, "b").offset());
        assertEquals(List.of("a", "b"), uncommitted(topic));
    }

    @ParameterizedTest
    @ValueSource(strings = "0")
    void withoutAnAnswerThereIsNoOffset(String acks) throws Exception {
        String topic = topic(1);
        var producer = producer("acks=" + acks, "enable.idempotence=false");
        assertFalse(send(producer, topic, "a").hasOffset());
        assertFalse(send(producer, topic, "b").hasOffset());
        eventually(() -> uncommitted(topic), List.of("a", "b")::equals);
    }
}
