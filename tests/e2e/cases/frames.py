"""Frames: what clients write into an open WebSocket."""

from gangway import ENDINGS

from .table import case


async def error_of(client, id):
    """Returns the error that answers a request; fails on any other answer."""
    reply = await client.take(lambda frame: frame.get("id") == id, f"the answer to {id}")
    return reply["error"]


@case(2, "half a character in a message is replaced, and costs nothing")
async def half_an_emoji(test):
    client = await test.client(test.start_server(client={"bad_frames_max": 1}), "ada")
    await client.request("thread.open", thread_id="t1")
    for number, half in enumerate((r"a\ud83d", r"\ude00b", r"\ud83d\ud83d\ude00", r"\uDBFF\n") * 5, 100):
        await client.send(f'{{"id":{number},"type":"message.send","thread_id":"t1","content":"{half}"}}')
        await client.answer(number)
        accepted = (await client.event("t1"))["event"]
        test.assertEqual(accepted["type"], "message_accepted")
        test.assertIn("\ufffd", accepted["content"])
        await client.events_until("t1", *ENDINGS)
    await client.send(r'{"id":7,"type":"message.send","thread_id":"t1","content":'
                      r'[{"type":"text","text":"a\ud83d","\udc00":["\ud83d"]}]}')
    await client.answer(7)
    test.assertEqual((await client.event("t1"))["event"]["content"],
                     [{"type": "text", "text": "a\ufffd", "\ufffd": ["\ufffd"]}])


@case(2, "half a character outside of messages costs nothing either")
async def half_an_emoji_elsewhere(test):
    client = await test.client(test.start_server(client={"bad_frames_max": 1}), "ada")
    await client.request("thread.open", thread_id="t1")
    for id, fields in enumerate((r'"type":"message.send","thread_id":"t1","content":"x","client_message_id":"a\ud83d"',
                                 r'"type":"message.send","thread_id":"t\ud83d","content":"x"',
                                 r'"type":"thread.open","thread_id":"\udc00"', r'"type":"no\ud83dne"',
                                 r'"type":"message.send","thread_id":"t1","content":"x","agent":"\ud83d"'), 10):
        await client.send(f'{{"id":{id},{fields}}}')
        test.assertIn((await error_of(client, id))["code"], ("bad_request", "unknown_type", "not_found"))
    for id, fields in enumerate((r'"type":"ping","x":"\ud83d"', r'"type":"ping","\udc00":1', r'"\ud83d":0,"type":"status"'),
                                20):
        await client.send(f'{{"id":{id},{fields}}}')
        await client.answer(id)


@case(2, "whatever has a readable id is answered with it")
async def readable_ids(test):
    client = await test.client(test.start_server(client={"bad_frames_max": 100}), "ada")
    frames = (r'{"id":7,"type":"message.send","content":"\x"}', '{"type":"message.send","content":"\\u12","id":7}',
              '{"id":7,"type":"ping",}', '{"id":7,"type":"ping"', '{"id":7,"type":"ping"} x', '{"id":7,"x":NaN}',
              '{"id":7,"type":"ping"}{"id":8,"type":"ping"}', '{"id":7,"content":"two\nlines"}', "{\"id\":7,'x':1}",
              '{"id":7,"type":7}', '{"id":7}', '{"id":7,"type":"nope"}', '{"id":7,"type":"thread.close"}',
              '{"id":1,"id":7,"type":', '{"id":7.0,"type":"ping"}', '{"id":7e0,"type":"ping"}',
              '{"id":7,"type":"ping","x":' + "[" * 100 + "]" * 100 + "}", '{"x":' + "[" * 65 + "]" * 65 + ',"id":7}',
              '{"id":7,"type":"ack","thread_id":"t1"}', b'{"id":7,"type":"ping"}')
    for frame in frames:
        await client.send(frame)
        test.assertIn((await error_of(client, 7))["code"], ("bad_frame", "bad_request", "unknown_type"), frame)
    for id in (0, -7, 2**53):
        for frame in ('"type":"nope"', '"type":"thread.close"', '"type":"thread.close","thread_id":"t9"', '"type":'):
            await client.send(f'{{"id":{id},{frame}}}')
            await error_of(client, id)
    test.assertEqual([frame for frame in client.frames if "error" in frame], [])


@case(23, "a byte order mark before a frame is skipped")
async def marked_frames(test):
    client = await test.client(test.start_server(), "ada")
    await client.send('\ufeff{"id":7,"type":"ping"}')
    test.assertEqual(await client.answer(7), {})
    await client.send('\ufeff\ufeff{"id":8,"type":"ping"}')
    refused = await client.take(lambda frame: "error" in frame)
    test.assertEqual(refused["error"]["code"], "bad_frame")
