"""The distributions whose public exceptions notebook users meet most."""

from typing import Final

from sdk_table import packages

_NAMES: Final = """
aiohttp aiosqlite altair anyio attrs azure-core beautifulsoup4 bokeh botocore catboost click
cloudpickle cryptography dask datasets dill distributed django fastapi filelock flask fsspec
gensim geopandas google-api-core google-auth google-cloud-bigquery grpcio gymnasium h11
httpcore httpx hypothesis ipykernel ipyparallel ipython ipywidgets jax jinja2 joblib
jsonschema jupysql jupyter-client jupyter-core keras langchain-classic langchain-core
langgraph lightgbm lightning llama-index-core llvmlite matplotlib mlflow-skinny msgspec
narwhals nbclient nbconvert nbformat networkx nltk numba numpy openpyxl optuna oracledb
packaging pandas pandera papermill parso patsy pexpect pillow pint pip platformdirs
playwright plotly polars prompt-toolkit psutil psycopg psycopg2-binary py4j pydantic
pydantic-core pygments pymongo pymysql pyparsing pyproj pytest python-dateutil pytz pyyaml
pyzmq rasterio ray redis referencing requests rich s3fs safetensors scikit-learn scipy
scrapy seaborn selenium sentence-transformers shapely snowflake-connector-python spacy
sqlalchemy sqlglot sqlmodel starlette statsmodels sympy tenacity tokenizers torch tornado
tqdm traitlets trio typer urllib3 wandb websockets werkzeug xarray xgboost xlrd zarr
"""
DISTRIBUTIONS: Final = tuple(sorted({*_NAMES.split(), *packages()}))
# Modules of many exceptions that hardly ever reach a notebook.
PASSED_OVER: Final = (
    "aiohttp.web_exceptions",
    "anthropic.types.",
    "fireworks.training.",
    "grpc.framework.",
    "litellm.llms.",
    "litellm.proxy.",
    "numpy.distutils.",
    "pip._internal.",
    "pydantic.v1.errors",
    "together.lib.cli.",
)
