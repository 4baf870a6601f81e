# Loads the IPython extension dev_analytics. Written by: jupyter dev-analytics enable
# Taken away by: jupyter dev-analytics remove. Loading it collects nothing: the user is asked first.
try:
    get_ipython().extension_manager.load_extension("dev_analytics")
except ModuleNotFoundError:
    pass
