// What a dashboard of a bundle has to be: Grafana's own types, narrowed to the panels that we draw, with no other keys.
import type { Dashboard, DataQuery, FieldConfig, FieldConfigSource, Panel, RowPanel } from "@grafana/schema";
import type {
  FieldConfig as Drawing,
  Options,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// In JSON, one of an enum's strings stands for the enum.
type Json<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer Item)[]
      ? Json<Item>[]
      : T extends object
        ? { [Key in keyof T]: Json<T[Key]> }
        : T;

type Query = DataQuery & { expr: string; legendFormat: string };
type Fields = Omit<FieldConfigSource, "defaults"> & { defaults: Omit<FieldConfig, "custom"> & { custom: Drawing } };
type TimeSeries = Omit<Panel, "fieldConfig" | "options" | "targets" | "type"> & {
  type: "timeseries";
  fieldConfig: Fields;
  options: Options;
  targets: Query[];
};
type Row = Omit<RowPanel, "type"> & { type: "row" };

export type BundleDashboard = Json<Omit<Dashboard, "panels"> & { panels: (TimeSeries | Row)[] }>;
