# Pushes to and clones from a server with libgit2: URL KEY FOLDER.
import os
import sys

import pygit2

url, key, folder = sys.argv[1:]


class Callbacks(pygit2.RemoteCallbacks):
    def __init__(self):
        super().__init__()
        self.refused, self.said = {}, ""

    def credentials(self, url, username, allowed):
        return pygit2.Keypair("git", key + ".pub", key, "")

    def certificate_check(self, certificate, valid, host):
        return True

    def push_update_reference(self, ref, message):
        if message:
            self.refused[ref] = message

    def sideband_progress(self, text):
        self.said += text


def commit(repository, name, text, parents):
    with open(os.path.join(repository.workdir, name), "w") as f:
        f.write(text)
    repository.index.add(name)
    repository.index.write()
    who = pygit2.Signature("Ada", "ada@localhost")
    return repository.create_commit("refs/heads/main", who, who, text, repository.index.write_tree(), parents)


def push(remote, *refs):
    callbacks = Callbacks()
    remote.push(list(refs), callbacks=callbacks)
    return callbacks


repository = pygit2.init_repository(os.path.join(folder, "work"), initial_head="main")
remote = repository.remotes.create("denofn", url)
first = commit(repository, "a.txt", "line\n" * 1000, [])
callbacks = push(remote, "refs/heads/main")
assert not callbacks.refused, callbacks.refused
assert "deploying" in callbacks.said, callbacks.said
second = commit(repository, "a.txt", "line\n" * 1000 + "more\n", [first])
who = pygit2.Signature("Ada", "ada@localhost")
repository.create_tag("v1", second, pygit2.GIT_OBJ_COMMIT, who, "a tag")
callbacks = push(remote, "refs/heads/main", "refs/heads/main:refs/heads/draft", "refs/tags/v1")
assert not callbacks.refused, callbacks.refused
callbacks = push(remote, ":refs/heads/draft")
assert not callbacks.refused, callbacks.refused

clone = pygit2.clone_repository(url, os.path.join(folder, "clone"), callbacks=Callbacks())
assert clone.head.target == second and clone.head.shorthand == "main", clone.head.target
third = commit(repository, "b.txt", "third", [second])
push(remote, "refs/heads/main")
clone.remotes["origin"].fetch(callbacks=Callbacks())
assert clone.lookup_reference("refs/remotes/origin/main").target == third

# A push that is refused says why, beside its ref.
commit(repository, "refuse.txt", "refuse me", [third])
callbacks = push(remote, "refs/heads/main")
assert callbacks.refused == {"refs/heads/main": "refused, as asked"}, callbacks.refused
print("libgit2", pygit2.LIBGIT2_VERSION)
