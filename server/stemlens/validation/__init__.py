"""Is it true? Experiments on explanations whose right answer is known, for anyone to run.

Each experiment is a file with two functions: `run(settings, on_progress)` gives figures, a frozen
dataclass, and `told(figures)` tells them as lines of Markdown: what is asked, how, a table, what
follows, and whether the target is met. `on_progress` is told a stage and the part of it that is
done, 0 to 1; what it raises ends the experiment.
"""
