# Pushes to and clones from a server with Dulwich: URL IGNORED FOLDER.
import io
import os
import sys

import dulwich
from dulwich import porcelain
from dulwich.repo import Repo

url, _, folder = sys.argv[1:]
work = os.path.join(folder, "work")
os.mkdir(work)
repository = Repo.init(work)
repository.refs.set_symbolic_ref(b"HEAD", b"refs/heads/main")


def commit(name, text):
    with open(os.path.join(work, name), "w") as f:
        f.write(text)
    porcelain.add(repository, os.path.join(work, name))
    who = b"Ada <ada@localhost>"
    return porcelain.commit(repository, text.encode(), author=who, committer=who)


def push(*refs):
    out, err = io.BytesIO(), io.BytesIO()
    porcelain.push(repository, url, list(refs), outstream=out, errstream=err)
    return err.getvalue()


commit("a.txt", "line\n" * 1000)
said = push("refs/heads/main")
assert b"deploying" in said, said
second = commit("a.txt", "line\n" * 1000 + "more\n")
push("refs/heads/main", "refs/heads/main:refs/heads/draft")
push(":refs/heads/draft")

clone = porcelain.clone(url, os.path.join(folder, "clone"), errstream=io.BytesIO())
assert clone.head() == second, clone.head()
third = commit("b.txt", "third")
push("refs/heads/main")
porcelain.fetch(clone, url, outstream=io.BytesIO(), errstream=io.BytesIO())
assert third in clone.object_store

shallow = porcelain.clone(url, os.path.join(folder, "shallow"), depth=1, errstream=io.BytesIO())
assert shallow.get_shallow() == {third}, shallow.get_shallow()

commit("refuse.txt", "refuse me")
try:
    said = push("refs/heads/main")
except Exception as e:
    said = str(e).encode()
assert b"refused, as asked" in said, said
print("dulwich", dulwich.__version__)
