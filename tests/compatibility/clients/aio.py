"""aiokafka, on asyncio. It asks for old versions of the protocol: ApiVersions 0, Produce 7, Fetch 11."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import BrokerResponseError

from clients.kafka_python import record  # the two libraries deliver records of the same shape
from record import Refused

NAME = "aiokafka"
PATIENCE = 60


def can_send(message):
    """It refuses a message with neither key nor value."""
    return (message.key, message.value) != (None, None)


def write(broker, topic, messages, codec="none", acks="all", idempotent=False, partition=None, max_size=1_000_000):
    asyncio.run(send(broker, topic, messages, codec, acks, idempotent, partition, max_size))


async def send(broker, topic, messages, codec, acks, idempotent, partition, max_size):
    producer = AIOKafkaProducer(
        bootstrap_servers=broker, compression_type=None if codec == "none" else codec,
        acks=acks if acks == "all" else int(acks), enable_idempotence=idempotent, max_request_size=max_size)
    await producer.start()
    try:
        waiting = [await producer.send(topic, message.value, message.key, partition, headers=list(message.headers))
                   for message in messages]
        await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
    except BrokerResponseError as error:
        raise Refused(error.errno, str(error)) from error
    finally:
        await producer.stop()


def read(broker, topic):
    return asyncio.run(read_all(broker, topic))


async def read_all(broker, topic):
    reader = AIOKafkaConsumer(bootstrap_servers=broker, group_id=None)
    await reader.start()
    try:
        partitions = [TopicPartition(topic, partition) for partition in await partitions_of(reader, topic)]
        ends = await reader.end_offsets(partitions)
        begins = await reader.beginning_offsets(partitions)
        reader.assign(partitions)
        await reader.seek_to_beginning()
        records = await take(reader, sum(ends[p] - begins[p] for p in partitions))
        return sorted(records, key=lambda r: (r.partition, r.offset))
    finally:
        await reader.stop()


async def partitions_of(reader, topic):
    """aiokafka knows the partitions of a topic only once it was told to look at it."""
    await reader._client.add_topic(topic)
    return reader.partitions_for_topic(topic)


async def take(reader, count):
    """The next `count` records that the consumer delivers."""
    records = []
    async with asyncio.timeout(PATIENCE):
        while len(records) < count:
            for batch in (await reader.getmany(timeout_ms=200)).values():
                records += [record(got) for got in batch]
    return records
