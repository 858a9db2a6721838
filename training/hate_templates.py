"""Hate as a set of functions: the same sentence shapes with and without hate, over many groups (`authored/hate_templates.txt`)."""
import pathlib

TEMPLATES = pathlib.Path(__file__).parent / "authored" / "hate_templates.txt"
# plural, one with its article, the adjective, slurs (partly masked, as people write them to pass filters)
GROUPS = (
    ("women", "a woman", "female", ("cunt", "whore", "slut", "bitch")), ("trans people", "a trans person", "trans", ("tranny", "shemale", "trannie")), ("gay people", "a gay man", "gay", ("faggot", "fag", "f*ggot")),
    ("lesbians", "a lesbian", "lesbian", ("dyke", "carpet muncher")), ("Black people", "a Black man", "black", ("nigger", "n*gger", "coon", "nigga")), ("disabled people", "a disabled person", "disabled", ("retard", "cripple", "spaz", "mong")),
    ("Muslims", "a Muslim", "Muslim", ("muzzie", "towelhead", "raghead")), ("immigrants", "an immigrant", "immigrant", ("wetback", "border hopper")), ("Jews", "a Jew", "Jewish", ("kike", "k*ke", "yid")),
    ("Asians", "an Asian", "Asian", ("chink", "gook", "slant-eye")), ("Mexicans", "a Mexican", "Mexican", ("beaner", "spic", "wetback")), ("Indians", "an Indian", "Indian", ("paki", "curry muncher")),
    ("refugees", "a refugee", "refugee", ("rapefugee",)), ("Roma", "a Roma woman", "Romani", ("gypsy thief", "gyppo")), ("Christians", "a Christian", "Christian", ()), ("atheists", "an atheist", "atheist", ()),
    ("men", "a man", "male", ()), ("white people", "a white guy", "white", ("cracker", "honky")), ("Arabs", "an Arab", "Arab", ("sand nigger", "camel jockey")), ("Africans", "an African", "African", ("jungle bunny",)),
    ("Chinese people", "a Chinese woman", "Chinese", ("chink", "ching chong")), ("old people", "an old man", "elderly", ()), ("bisexuals", "a bisexual", "bisexual", ()), ("blind people", "a blind man", "blind", ()),
    ("autistic people", "an autistic kid", "autistic", ("retard", "sperg")), ("Hindus", "a Hindu", "Hindu", ()), ("foreigners", "a foreigner", "foreign", ()), ("Poles", "a Pole", "Polish", ("polack",)), ("Turks", "a Turk", "Turkish", ()),
    ("fat people", "a fat woman", "fat", ("fatso",)), ("the deaf", "a deaf person", "deaf", ()), ("Native Americans", "a Native American", "native", ("redskin", "squaw")), ("wheelchair users", "a wheelchair user", "disabled", ("cripple",)),
    ("Pakistanis", "a Pakistani", "Pakistani", ("paki",)), ("Latinos", "a Latino", "Latino", ("spic", "beaner")), ("feminists", "a feminist", "feminist", ("feminazi",)),
)
OBJECTS = "Mondays,wet socks,spiders,pop-up ads,leaf blowers,printers,mosquitoes,cheap umbrellas,alarm clocks,cockroaches,traffic jams,group projects,rats in the cellar,lentils,tax forms,loud trucks,bed bugs,weeds,blackouts,stairs".split(",")
JOBS = "politicians,estate agents,referees,telemarketers,landlords,bankers,influencers,parking wardens,spammers,scammers,Arsenal fans,smokers,capitalists,journalists,recruiters,lawyers,hedge fund managers,bullies,Tories,trolls".split(",")


def templates():
    return [tuple(line.split("\t")) for line in TEMPLATES.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def spelled(text, r):
    """The spellings that people pass filters with."""
    way = r.randrange(6)
    words = text.split(" ")
    at = r.randrange(len(words))
    word = words[at]
    if way == 0 and len(word) > 4:
        i = r.randrange(1, len(word) - 2)
        words[at] = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    elif way == 1 and len(word) > 4:
        i = r.randrange(1, len(word) - 1)
        words[at] = word[:i] + word[i + 1 :]
    elif way == 2 and len(words) > 2:
        at = min(at, len(words) - 2)
        words[at : at + 2] = [words[at] + words[at + 1]]
    elif way == 3:
        words[at] = " ".join(word)
    elif way == 4:
        return text.translate(str.maketrans("aeiost", "4310$7"))
    else:
        return text.upper() if r.random() < 0.5 else text.lower()
    return " ".join(words)


def rows(r, count):
    """(text, targets' levels) of `count` sentences; half of them without hate."""
    hateful = [t for t in templates() if t[0] != "0"]
    other = [t for t in templates() if t[0] == "0"]
    made = []
    while len(made) < count:
        level, kind, text = r.choice(hateful if r.random() < 0.5 else other)
        group = r.choice(GROUPS)
        if "{slur}" in text:
            if not group[3]:
                continue
            text = text.replace("{slur}", r.choice(group[3]))
        text = text.replace("{g}", group[0]).replace("{s}", group[1]).replace("{a}", group[2]).replace("{o}", r.choice(OBJECTS)).replace("{j}", r.choice(JOBS))
        text = text[:1].upper() + text[1:]
        if r.random() < 0.25:
            text = spelled(text, r)
        levels = {"hate": int(level), "sexual": None if "slur" in kind else 0, "self_harm": 0, "violence": 6 if kind == "threat" else 0 if level == "0" and kind not in ("counter_quote", "suffering", "negated_hate") else None}
        made.append((text, levels))
    return made
