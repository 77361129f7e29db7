package compatibility.producer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;

/** Records have their producer's time or the broker's, as the topic says, and readers are told which. */
class TimestampTest extends BrokerTest {
    private static final long LONG_AGO = 1_000_000_000_000L;

    @Test
    void theProducersTimeIsKept() {
        String topic = topic(1);
        var answer = get(producer().send(new ProducerRecord<>(topic, 0, LONG_AGO, null, "a")));
        var record = log(topic, 0, "read_uncommitted").get(0);
        assertEquals(LONG_AGO, answer.timestamp());
        assertEquals(LONG_AGO, record.timestamp());
        assertEquals(TimestampType.CREATE_TIME, record.timestampType());
    }

    @Test
    void theBrokersTimeTakesItsPlace() {
        String topic = topic(1, "message.timestamp.type=LogAppendTime");
        long before = System.currentTimeMillis();
        var answer = get(producer().send(new ProducerRecord<>(topic, 0, LONG_AGO, null, "a")));
        long after = System.currentTimeMillis();
        var record = log(topic, 0, "read_uncommitted").get(0);
        assertTrue(before <= record.timestamp() && record.timestamp() <= after);
        assertEquals(record.timestamp(), answer.timestamp());
        assertEquals(TimestampType.LOG_APPEND_TIME, record.timestampType());
    }

    @Test
    void aTimeOutOfTheTopicsRangeIsRefused() {
        String topic = topic(1, "message.timestamp.before.max.ms=60000", "message.timestamp.after.max.ms=60000");
        var producer = producer();
        long now = System.currentTimeMillis();
        for (long time : new long[] {now - 120_000, now + 120_000}) {
            refused(InvalidTimestampException.class, producer.send(new ProducerRecord<>(topic, 0, time, null, "a")));
        }
        assertEquals(0, get(producer.send(new ProducerRecord<>(topic, 0, now - 1000, null, "a"))).offset());
    }
}
