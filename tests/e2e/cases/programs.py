"""Programs: what operators type, and what their shells and files hand over."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from gangway import CTL, PROGRAM, SECRET

from .table import case

QUIET = {name: value for name, value in os.environ.items() if not name.startswith("GANGWAY")}
PLUS = "ada+test@example.com"
SIGNING = {"GANGWAY_AUTH_SECRET": SECRET}
USAGE = 2
HIDDEN = "\r\n\t\x1b\x07\x7f\x85\x9b\u202e\u2066\u200b\u200f\ufeff\u061c\u00ad"


def run(program, *words, output=subprocess.PIPE, **variables):
    return subprocess.run([program, *words], env={**QUIET, **variables}, stdin=subprocess.DEVNULL, stdout=output,
                          stderr=subprocess.PIPE, timeout=60)


def refused(test, program, *words, says=(), status=USAGE, **variables):
    """Runs a program that must refuse; returns what it said, which begins with its name and is one printable line."""
    ran = run(program, *words, **variables)
    test.assertEqual((ran.returncode, ran.stdout), (status, b""), ran)
    said = ran.stderr.decode()
    for line in said.removesuffix("\n").split("\n"):
        test.assertTrue(line.startswith(Path(program).name + ": "), said)
        test.assertFalse(set(line) & set(HIDDEN), ascii(said))
    for words in says:
        test.assertIn(words, said)
    return said


def folder(test):
    made = tempfile.TemporaryDirectory(prefix="gangway-programs-")
    test.addCleanup(made.cleanup)
    return Path(made.name).resolve()


@case(4, "a user whose name has a plus, a slash, an ampersand or a percent sign is found by it, in a path and in a query")
async def names_reach_the_server_as_they_are(test):
    server = test.start_server(limits={"managers_per_user": 1})
    for user in (PLUS, "a/b&c=d#e?f", "100%25 ä b", "auth0|x;y,z"):
        client = await test.client(server, user)
        for thread in ("t1", "t2"):
            await client.request("thread.open", thread_id=thread)
        await client.notice("manager_evicted")
        status, printed = server.ctl("tree", user)
        test.assertEqual(status, 0, printed)
        test.assertIn(f"user {user}", printed)
        server.until(lambda: user in server.ctl("decisions", user)[1], "the decision is listed")
        test.assertEqual(server.ctl("cleanup", user, "--level", "force", "--dry-run")[0], 0)


@case(4, "a plus in a query of the admin API is a plus, and %20 a blank")
async def a_plus_is_a_plus(test):
    server = test.start_server()
    await test.client(server, PLUS)
    for spelt in (PLUS, "ada%2Btest%40example.com"):
        test.assertIn(PLUS, server.admin(f"/api/v1/tree?user={spelt}"))


def printing_words(folder):
    settings = folder / "gangway.toml"
    settings.write_text(f'[auth]\nsecret = "{SECRET}"\n')
    return [(PROGRAM, "--version"), (PROGRAM, "--help"), (PROGRAM, "--print-config"),
            (PROGRAM, "--config", str(settings), "--check-config"), (CTL, "--version"), (CTL, "--help"),
            (CTL, "tree", "--help"), (CTL, "token", "--user", "ada"), (CTL, "--json", "token", "--user", "ada")]


def asking_words(server):
    url = f"http://127.0.0.1:{server.admin_port}"
    reads = [("status",), ("tree",), ("decisions",), ("cleanup", "ada", "--level", "force", "--dry-run")]
    return [(CTL, *words, *more, "--url", url, "--token", server.operator) for words in reads
            for more in ((), ("--json",))]


def with_closed_output(words):
    return subprocess.run(["sh", "-c", '"$@" >&-', "sh", *words], env={**QUIET, **SIGNING}, stderr=subprocess.PIPE,
                          timeout=60)


@case(10, "whatever prints says why it could not, and ends with a status that is not 0: a full disk, a reader that is "
          "gone, a closed output")
async def printing_that_fails_is_told(test):
    server = test.start_server()
    await test.client(server, "ada")
    for words in printing_words(folder(test)) + asking_words(server):
        with test.subTest(words=words):
            test.assertEqual(run(*words, **SIGNING).returncode, 0)
            with open("/dev/full", "wb") as full:
                ran = run(*words, output=full, **SIGNING)
            test.assertIn(b"standard output cannot be written: No space left on device", ran.stderr)
            test.assertGreater(ran.returncode, 0)
            reader, writer = os.pipe()
            os.close(reader)
            ran = run(*words, output=writer, **SIGNING)
            os.close(writer)
            test.assertIn(b"standard output cannot be written: Broken pipe", ran.stderr)
            test.assertGreater(ran.returncode, 0)
            ran = with_closed_output(words)
            test.assertIn(b"standard output cannot be written", ran.stderr)
            test.assertGreater(ran.returncode, 0)


@case(11, "a complaint shows what was typed, and nothing in it acts on the terminal")
async def complaints_are_printable(test):
    said = refused(test, PROGRAM, "--check-config", GANGWAY_HEARTBEAT_INTERVAL="20s\r", says=['not "20s\\r"'])
    test.assertIn("GANGWAY_HEARTBEAT_INTERVAL", said)
    odd = f"x{HIDDEN}y"
    for variable in ("LISTEN", "ORIGINS", "TRUSTED_PROXIES", "AUTH_JWKS_URL", "LOG_LEVEL", "CLEANUP_START_RATIO",
                     "LIMITS_CONNECTIONS", "STORE_PATH", "DEFLATE_ENABLED", "CLIENT_FRAME_BYTES_MAX"):
        refused(test, PROGRAM, "--check-config", **{f"GANGWAY_{variable}": odd})
    place = folder(test)
    for text in (f"[log]\nlevel = {json.dumps(odd)}\n", f"{json.dumps(odd)} = 1\n", f"[{json.dumps(odd)}]\n",
                 f"[auth]\nsecret_file = {json.dumps(odd)}\n", f"[[agents]]\nname = {json.dumps(odd)}\n", f"a = {odd}\n"):
        (place / "odd.toml").write_text(text)
        refused(test, PROGRAM, "--check-config", "--config", str(place / "odd.toml"))
    refused(test, PROGRAM, "--config", odd)
    refused(test, PROGRAM, odd)
    refused(test, PROGRAM, f"--{odd}")
    for words in ((odd,), ("--" + odd, "tree"), ("tree", "ada", odd), ("tree", "--url", odd), ("explain", odd),
                  ("token", "--user", odd), ("token", "--user", "ada", "--tier", odd), ("decisions", "--limit", odd),
                  ("token", "--user", "ada", "--expires", odd), ("token", "--user", "ada", "--secret-from", odd),
                  ("token", "--user", "ada", "--secret-from", "env:" + odd), ("cleanup", "ada", "--level", odd),
                  ("token", "--user", "ada", "--config", odd), ("cleanup", odd, "--level", "force")):
        refused(test, CTL, *words)


@case(24, "an option that every command has may stand before the command or after it")
async def options_before_or_after_the_command(test):
    server = test.start_server()
    await test.client(server, "ada")
    url, bearer = f"http://127.0.0.1:{server.admin_port}", server.operator
    for command in (("status",), ("tree",), ("tree", "ada"), ("decisions",)):
        options = ("--json", "--url", url, "--token", bearer)
        before, after = run(CTL, *options, *command), run(CTL, *command, *options)
        split = run(CTL, "--json", "--url", url, *command, "--token", bearer)
        for ran in (before, after, split):
            test.assertEqual(ran.returncode, 0, ran)
            test.assertIn("result", json.loads(ran.stdout))
    for words in (("--version",), ("status", "--version"), ("token", "--version")):
        test.assertTrue(run(CTL, *words).stdout.startswith(b"gangwayctl "), words)
    for words in (("--json", "token", "--user", "ada"), ("token", "--user", "ada", "--json")):
        test.assertIn("token", json.loads(run(CTL, *words, **SIGNING).stdout))


@case(25, "what is named outside cannot act on an operator's terminal: users are shown escaped, in every command "
          "and in logs of text")
async def names_are_shown_escaped(test):
    server = test.start_server(limits={"managers_per_user": 1}, log={"format": "text", "level": "debug"})
    odd = "g\u202enp.exe\u2066\u200b\ufeff\U000e0041"
    client = await test.client(server, "ada" + odd)
    for thread in ("t1", "t2"):
        await client.request("thread.open", thread_id=thread)
    told = await client.notice("manager_evicted")
    user = "ada" + odd
    server.until(lambda: "ada" in server.ctl("decisions", user)[1], "the decision is listed")
    for words in (("status",), ("tree",), ("tree", user), ("decisions",), ("explain", told["manager_id"]),
                  ("cleanup", user, "--level", "force", "--dry-run")):
        _, printed = server.ctl(*words)
        test.assertFalse(set(printed) & (set(odd) - set("gnp.exe")), ascii(printed))
        if words != ("status",):
            test.assertIn("g\\u202enp.exe\\u2066\\u200b\\ufeff\\udb40\\udc41", printed)
    status, printed = server.ctl("--json", "tree", user)
    test.assertIn(user, json.dumps(json.loads(printed), ensure_ascii=False))
    logged = server.log.read_text()
    test.assertFalse(set(logged) & set("\u202e\u2066\u200b\ufeff\U000e0041\x1b\r"), ascii(logged))


# ---- siblings that operators meet: where files are, and words that are wrong ----------------------------------------


@case(11, "a relative path in a file begins at that file, and a complaint about it has the absolute path and the reason")
async def relative_paths_begin_at_their_file(test):
    place = folder(test)
    (place / "secret").write_text(SECRET)
    (place / "here.toml").write_text('[auth]\nsecret_file = "secret"\n[store]\npath = "data.db"\n')
    ran = run(PROGRAM, "--config", os.path.relpath(place / "here.toml"), "--print-config")
    test.assertIn(f'path = "{place}/data.db"', ran.stdout.decode())
    test.assertEqual(run(PROGRAM, "--config", str(place / "here.toml"), "--check-config").returncode, 0)
    refused(test, PROGRAM, "--config", os.path.relpath(place / "none.toml"),
            says=[f"{place}/none.toml: cannot be read: No such file or directory"])
    test.assertEqual(sorted(found.name for found in place.iterdir()), ["here.toml", "secret"])


@case(11, "--check-config looks at what the start will look at: the store's folder, files of keys and certificates")
async def check_config_looks_at_files(test):
    place = folder(test)
    good = f'[auth]\nsecret = "{SECRET}"\n'
    (place / "folder").mkdir()
    (place / "no.pem").write_text("nonsense")
    for text, says in ((good + '[store]\npath = "none/g.db"\n', f"{place}/none: No such file or directory"),
                       (good + '[store]\npath = "folder"\n', f"{place}/folder is no regular file"),
                       (good + '[tls]\ncertificate_file = "c.pem"\nkey_file = "k.pem"\n', f"{place}/c.pem: cannot be read"),
                       ('[auth]\npublic_key_file = "no.pem"\n', f"auth.public_key_file {place}/no.pem: "),
                       ('[auth]\npublic_key_file = "folder"\n', f"{place}/folder: cannot be read: Is a directory"),
                       ('listen = "localhost:http"\n' + good, "listen must be an address and a port")):
        (place / "gangway.toml").write_text(text)
        refused(test, PROGRAM, "--check-config", "--config", str(place / "gangway.toml"), says=[says])
    (place / "gangway.toml").write_text('[store]\npath = "none/g.db"\n')
    refused(test, PROGRAM, "--dev", "--check-config", "--config", str(place / "gangway.toml"), says=["store.path"])


@case(24, "an error of the command line names the program, the word and the nearest known one")
async def wrong_words_are_named(test):
    for words, says in ((("--conf", "x"), ['"--conf"', "did you mean --config?"]),
                        (("--chek-config",), ["did you mean --check-config?"]),
                        (("gangway.toml",), ['unexpected argument "gangway.toml"']),
                        (("--config",), ["--config"])):
        refused(test, PROGRAM, *words, says=says)
    for words, says in ((("stauts",), ['unknown command "stauts"', "did you mean status?"]),
                        (("frobnicate",), ['unknown command "frobnicate"', "--help"]),
                        ((), ["a command is missing", "status", "tree"]),
                        (("tree", "--jsn"), ['unknown option "--jsn"', "did you mean --json?"]),
                        (("--jsn", "tree"), ['unknown option "--jsn"', "did you mean --json?"]),
                        (("tree", "--frobnicate=1"), ['unknown option "--frobnicate=1"']),
                        (("decisions", "--limit", "0"), ["--limit"]),
                        (("cleanup", "ada", "--level", "gently"), ["--level"]),
                        (("token",), ["--user"]),
                        (("token", "--user", "ada", "--tier", "gold"), ["--tier", "free, pro, enterprise", '"gold"'])):
        refused(test, CTL, *words, says=says, **SIGNING)
    test.assertNotIn("did you mean", refused(test, CTL, "frobnicate"))
    place = folder(test)
    (place / "foo.toml").write_text("foo = 1\n")
    said = refused(test, PROGRAM, "--config", str(place / "foo.toml"), says=["unknown key foo"])
    test.assertNotIn("did you mean", said)


@case(24, "--dev is refused where the environment is said to be production or staging")
async def dev_is_for_development(test):
    for environment in ("production", "staging"):
        refused(test, PROGRAM, "--dev", "--check-config", GANGWAY_ENVIRONMENT=environment,
                says=["--dev", f'"{environment}"'])
    place = folder(test)
    for environment in ("auto", "development"):
        test.assertEqual(run(PROGRAM, "--dev", "--check-config", GANGWAY_ENVIRONMENT=environment,
                             KUBERNETES_SERVICE_HOST="10.0.0.1", GANGWAY_STORE_PATH=str(place / "g.db")).returncode, 0)
