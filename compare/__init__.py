"""Runs scenarios under allocators, process by process, and writes results/<run>/.

cli.py reads the options, plan.py makes the plan, runner.py goes through it, trial.py runs one
process under perf.py's command line, storage.py keeps what came out. Nothing here computes a
statistic: that is analysis/.
"""
