"""Plain sentences for what is on the screen. Every number in them was measured."""

from __future__ import annotations

from core.explainers.results import Sweep
from core.explainers.words import percent
from core.studies.lines import label


def duration(seconds: float) -> str:
    """A waiting time for reading: '8 s', '2 min'."""
    return f"{max(1, round(seconds))}\u00a0s" if seconds < 90 else f"{round(seconds / 60)}\u00a0min"


NETWORKS = {"classifier": "Classifier", "witness": "Independent network", "oracles": "Oracle"}


def network_at(place: str) -> str:
    """A network's place in a metrics.json for people: 'oracles / No_Beard' -> 'Oracle: no beard'."""
    parts = place.split(" / ")
    return f"{next((NETWORKS[p] for p in parts if p in NETWORKS), parts[0])}: {label(parts[-1])}"


def knob_at(place: str) -> str:
    """A knob's place among the knobs of a metrics.json: 'Young / morph / direct' -> 'Young, morph head, as trained'."""
    target, *rest = place.split(" / ")
    said = [f"{p} head" if i == 0 else {"direct": "as trained"}.get(p, p) for i, p in enumerate(rest)]
    return ", ".join([label(target).capitalize(), *said])


def sentence(sweep: Sweep, frame: int) -> str:
    """What frame `frame` shows: what was asked for, what came, whether it was reached, how much changed."""
    now, before = percent(sweep.achieved[frame]), percent(sweep.query)
    if frame == sweep.origin and sweep.exact:
        return f"This is the uploaded picture. The classifier gives “{label(sweep.target)}” {before}."
    asked = percent(sweep.requested[frame])
    step, came = float(sweep.requested[frame]) - sweep.query, float(sweep.achieved[frame]) - sweep.query
    if sweep.reached[frame]:
        answer = f"Asked for {asked}, the classifier now says {now} (it was {before})."
    elif step * came > step * step:
        answer = f"Asked for {asked}, the classifier went past it to {now} (it was {before})."
    else:
        answer = f"Asked for {asked}, but the knob got the classifier only to {now} (it was {before}): not reached."
    changed = 100 * float(sweep.distance[frame])
    text = f"{answer} The picture changed by {changed:.1f}\u00a0% of the grey range on average.{_witness(sweep, frame)}"
    if not sweep.exact:
        text += " This head redraws the picture even with nothing asked for; other networks start from that drawing."
    return text


def caption(sweep: Sweep, frame: int) -> str:
    """A few words under a picture in an export, in plain spaces."""
    name, now = label(sweep.target), percent(sweep.achieved[frame]).replace("\u00a0", " ")
    if frame == sweep.origin:
        return f"{'original' if sweep.exact else 'reconstruction'}: {name} {now}"
    return f"asked for {percent(sweep.requested[frame])}: {name} {now}".replace("\u00a0", " ")


def _witness(sweep: Sweep, frame: int) -> str:
    """Whether the network that took no part in training followed."""
    if sweep.witness is None:
        return " No independent network was there to check this."
    said, before = float(sweep.witness[frame]), float(sweep.witness[sweep.origin])
    wanted, moved = float(sweep.requested[frame]) - sweep.query, said - before
    if abs(moved) < 0.05:
        follows = "hardly reacts"
    elif (moved > 0) == (wanted > 0):
        follows = "moves the same way"
    else:
        follows = "moves the other way"
    return f" An independent network {follows} ({percent(before)} → {percent(said)})."
