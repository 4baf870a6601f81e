# Loads the IPython extension dev_analytics. Written by: jupyter dev-analytics enable
# Taken away by: jupyter dev-analytics remove. Loading it collects nothing: the user is asked first.
try:
    get_ipython().extension_manager.load_extension("dev_analytics")
except ModuleNotFoundError:
    pass
except Exception as error:
    # What it raised would keep the start-up files behind this one from being run.
    print(f"dev_analytics is not loaded: {error!r}", file=__import__("sys").stderr)
