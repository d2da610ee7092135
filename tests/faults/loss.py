"""What the tests of loss share: a thread of which more was seen than is in the log, and what its readers are told."""

from faults import StoreFaultTest, ahead, kept

ENDLESS = "/stream 100000 100"


class LossTest(StoreFaultTest):
    async def goes_ahead(self, fault, content=ENDLESS, events=100, **sections):
        """Returns everything of a server whose clients have seen so many events that are not in the log."""
        server, fault = self.server_with(fault, **sections)
        idle = await self.follower(server, "bob")
        idle.opened = await idle.request("thread.open", thread_id="t1")
        await idle.request("message.send", thread_id="t1", content="what is 12*(3+4)?")
        await idle.ended("t1")
        clients, epoch = await self.readers(server)
        await clients[0].request("message.send", thread_id="t1", content=content)
        for client in clients:
            await client.until("t1", lambda seen: len(seen) > 20, "the first events")
        fault.on()
        for client in clients:
            await client.until("t1", lambda seen: len(ahead(seen)) >= events, "the stream")
        return server, fault, clients, epoch, idle

    async def come_back(self, client, epoch, seen):
        """Opens the thread where its reader was."""
        return await client.request("thread.open", thread_id="t1", epoch=epoch, after_seq=seen[-1]["seq"])

    async def check_history(self, server, client, opened, epoch, seen):
        """Whoever saw those events under that epoch has come back, and was told what has become of them. Returns all
        that the log has."""
        whole = await self.whole_log(server, "t1", opened["epoch"])
        durable = kept(frame for frame in seen if frame.get("durable", True))
        print(f"    {len(seen)} seen, {len(seen) - len(durable)} of them ahead; the log has {len(whole)}, under "
              f"{'the same' if opened['epoch'] == epoch else 'a new'} epoch", flush=True)
        self.check_one_ending_each(whole)
        for frame in durable:
            self.assertEqual(whole[frame["seq"] - 1], {**frame, "epoch": opened["epoch"]})
        if opened["epoch"] == epoch:
            self.assert_same(whole[:len(seen)], kept(seen))
            self.assertTrue(opened["resumed"])
        else:
            self.assertFalse(opened["resumed"])
            self.assertIsNone(opened["snapshot"]["run"])
            said = [message["seq"] for message in opened["snapshot"]["messages"] if message["role"] == "user"]
            self.assertEqual(said, [frame["seq"] for frame in whole if frame["event"]["type"] == "message_accepted"])
        sent = await self.taken(client, "t1", "what is 12*(3+4)?", "afterwards")
        self.assertEqual(sent["seq"], len(whole) + 1)
        await client.ended("t1")
        return whole

    async def check_untouched(self, server, idle):
        """A thread of which nothing was lost has the epoch that it had."""
        again = await self.follower(server, "bob")
        opened = await again.request("thread.open", thread_id="t1", epoch=idle.opened["epoch"], after_seq=0)
        self.assertEqual((opened["resumed"], opened["epoch"]), (True, idle.opened["epoch"]))
        shown = await again.until("t1", lambda shown: len(shown) >= opened["seq"], "the log")
        self.assert_same(shown, kept(idle.seen["t1"]))
