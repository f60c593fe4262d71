"""What the demo model says."""

WELCOME = """\
# Hello

I am the **demo model**: a script inside `omni-tui`, not an intelligence. I need no key and no
network, and I am here so that you can try every part of the program.

## Things to try

| Say | What happens |
|:----|:-------------|
| `list the files` | a tool that only reads runs at once |
| `edit notes.md` | a tool that writes **asks you first**, with a diff |
| `plan a trip and save it to plan.md` | the same, for a new file |
| `run ls -la` | a shell command asks as well |
| `ask me something` | the model asks *you* |
| `use a sub-agent to list the files` | a conversation beneath this one: `Enter` on it opens it |
| `fail with 529` | an error, and a way to retry |
| `write a long essay` | a stream to interrupt with `Esc` |
| `/auto tidy up` | the model goes on by itself until it is done |

1. Press `Esc`, then `r`: this reply **again**, beside the old one.
2. Press `e` on your question: ask it *differently*; the first line stays.
3. `←` and `→` walk between the versions. The tree shows them all.

> Nothing you or a model wrote is ever lost.
"""

ANSWERS = (
    """\
## A reply in Markdown

Text can be **bold**, *italic*, ~~struck~~ or `code`, and a [link](https://example.org) is only
opened when you ask for it.

- a list
  - with a list inside
  - and a second item that is long enough to wrap, so that you can see how the lines below the \
first hang under its words
- [x] a task that is done
- [ ] and one that is not

```python
from omni_tui import stream_text


async def main() -> None:
    async with stream_text("demo/chat", "Tell me a story") as stream:
        async for event in stream:
            print(event)
```
""",
    """\
Here is the same question seen from another side.

| mountain | 漢字 | height | first climbed |
|:---------|:----:|-------:|:--------------|
| Gangkhar Puensum | 崗卡彭孫 | 7,570 m | never |
| Fuji 🗻 | 富士山 | 3,776 m | 663 |
| Kailash | 冈仁波齐 | 6,638 m | never |

Emoji hold their place: 👩‍🚀 🏔️ 🇧🇹 ✅. So does a wide line of text: 山は静かにして性をやしなひ、水は\
うごいて情を慰す。

1. First, look at the tree on the left.
2. Then press `r` here.
3. Then walk between the versions with `←` and `→`.
""",
    """\
A short answer this time, with a formula in code, `e^(iπ) + 1 = 0`, and a quotation:

> A conversation is a tree.
>
> > Each reply is a branch that could have gone another way.

---

### What next?

Ask me to `edit notes.md`, and say **no** to see what I make of it.
""",
)

TRIP = """\
# A trip to the mountains

- [ ] Friday: the night train
- [ ] Saturday: up to the hut, 900 m of ascent
- [ ] Sunday: the ridge, and down before noon

Bring: water, a hat, a map.
"""

TASK_LOOK = "**First turn.** I look at what is here."
TASK_PLAN = """\
**Second turn.** Nobody had to tell me to go on.

- [x] look at what is here
- [ ] say what there is to say
"""
TASK_RESULT = "Looked around in three turns, and changed nothing."

_PARAGRAPH = (
    "The path goes up through the forest, and with every turn the valley grows wider below it. "
    "There is no hurry: a path that forks can be walked twice, and the second walk does not undo "
    "the first. Whoever comes back to the fork finds both ways still there.\n\n"
)

LONG = "# A long walk\n\n" + "".join(
    f"## Part {number}\n\n{_PARAGRAPH}{_PARAGRAPH}" for number in range(1, 21)
)
