"""`albert serve`: a model over HTTP, with a page to try it in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from albert_cli.cli.completion import complete_task
from albert_cli.cli.options import (
    CompileOption,
    DebugOption,
    DeviceOption,
    Int8Option,
    JsonOption,
    OnnxOption,
    PrecisionOption,
    QuietOption,
    ThreadsOption,
    VerboseOption,
)
from albert_cli.cli.run import (
    AggregationOption,
    BatchSizeOption,
    ModelOption,
    PoolingOption,
    TargetsOption,
    TokenizerOption,
    TopKOption,
    check_task,
    choose_model,
    read_device_option,
)
from albert_cli.cli.task_options import (
    JointOption,
    MultiLabelOption,
    TemplateOption,
    check_task_options,
    task_parameters,
)
from albert_cli.errors import UsageError

PACKAGES = ("starlette", "uvicorn", "prometheus_client")

TaskOption = Annotated[
    str | None,
    typer.Option(
        "--task",
        metavar="TASK",
        help="Task of `albert run`; else what the model was trained for.",
        autocompletion=complete_task,
    ),
]
LabelsOption = Annotated[
    str | None,
    typer.Option("--labels", metavar="A,B,...", help="Labels of inputs that bring none (zero-shot-classification)."),
]
HostOption = Annotated[
    str, typer.Option("--host", metavar="HOST", help="Address to listen on; 0.0.0.0 lets other machines in.")
]
PortOption = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port; 0 takes a free one. The address is printed.")
]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="Another name under which the server is called; repeatable."),
]
MaxBodyOption = Annotated[int, typer.Option("--max-body", metavar="BYTES", min=1, help="Largest body of a request.")]
MaxTextOption = Annotated[int, typer.Option("--max-text", metavar="N", min=1, help="Most characters of an input.")]
MaxInputsOption = Annotated[int, typer.Option("--max-inputs", metavar="N", min=1, help="Most inputs of a request.")]
MaxQueueOption = Annotated[
    int, typer.Option("--max-queue", metavar="N", min=1, help="Most inputs of all requests at once; more get 503.")
]
MaxConnectionsOption = Annotated[
    int, typer.Option("--max-connections", metavar="N", min=1, help="Most open connections.")
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Longest time of a request; then it gets 504.")
]
ReadTimeoutOption = Annotated[
    float,
    typer.Option(
        "--read-timeout", metavar="SECONDS", min=0.1, help="Longest time for sending a request or taking an answer."
    ),
]


def serve(
    model: ModelOption = None,
    task: TaskOption = None,
    tokenizer: TokenizerOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    allow_host: AllowHostOption = None,
    top_k: TopKOption = None,
    targets: TargetsOption = None,
    pooling: PoolingOption = None,
    aggregation: AggregationOption = None,
    joint: JointOption = False,
    labels: LabelsOption = None,
    template: TemplateOption = None,
    multi_label: MultiLabelOption = False,
    batch_size: BatchSizeOption = None,
    max_body: MaxBodyOption = 1_048_576,
    max_text: MaxTextOption = 20_000,
    max_inputs: MaxInputsOption = 256,
    max_queue: MaxQueueOption = 2000,
    max_connections: MaxConnectionsOption = 2000,
    timeout: TimeoutOption = 60.0,
    read_timeout: ReadTimeoutOption = 10.0,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    threads: ThreadsOption = None,
    int8: Int8Option = False,
    onnx: OnnxOption = False,
    compile_: CompileOption = False,
    verbose: VerboseOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int | None:
    """Answer over HTTP, with a page to try the model in a browser; for this machine alone unless told otherwise."""
    from albert_cli.recipe.requests import Engine, RunRequest
    from albert_cli.recipe.serving import ServeLimits, ServeRequest

    check_packages()
    chosen_task = None if task is None else check_task(task, command="albert serve")
    chosen_model = choose_model(model, quiet=quiet)
    from albert_cli.stages.serve.command import run, trained_task

    chosen_task = trained_task(chosen_model) if chosen_task is None else chosen_task
    options = {
        "--top-k": top_k,
        "--targets": targets,
        "--pooling": pooling,
        "--aggregation": aggregation,
        "--joint": joint or None,
        "--labels": labels,
        "--template": template,
        "--multi-label": multi_label or None,
    }
    if chosen_task != "zero-shot-classification" or labels is not None:  # there, inputs may bring their own labels
        check_task_options(chosen_task, options)
    request = ServeRequest(
        run=RunRequest(
            task=chosen_task,
            model=chosen_model,
            tokenizer=tokenizer,
            device=read_device_option(device),
            precision=precision or "fp32",
            threads=threads,
            top_k=top_k,
            targets=tuple(word.strip() for word in targets.split(",")) if targets else (),
            pooling=pooling or "none",
            aggregation=aggregation,
            parameters=task_parameters(options),
            batch_size=batch_size,
            engine=Engine(int8=int8, onnx=onnx, compile=compile_, verbose=verbose),
            quiet=quiet,
            debug=debug,
        ),
        host=host,
        port=port,
        allowed_hosts=tuple(allow_host or ()),
        limits=ServeLimits(
            body=max_body,
            text=max_text,
            inputs=max_inputs,
            queue=max_queue,
            connections=max_connections,
            timeout=timeout,
            read_timeout=read_timeout,
        ),
        json=json,
    )
    return run(request)


def check_packages() -> None:
    """Refuse to begin without the packages of the extra.

    Raises:
        UsageError: some are not installed.
    """
    from importlib.util import find_spec

    missing = [name.replace("_", "-") for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"albert serve needs {', '.join(missing)}, which is not installed", hint="pip install 'albert-cli[serve]'"
        )
