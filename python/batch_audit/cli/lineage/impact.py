"""x"""
import click


@click.command()
def impact() -> None:
    """X."""
